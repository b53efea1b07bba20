//! Two gateways begin a group in the same moment, in every order of their steps.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use parking_lot::Mutex;

use super::*;

/// Its end, what it is asked, what it is told, that its log is the group's from then on, and that it is a member.
const STEPS: usize = 5;

/// One partition.
#[derive(Default)]
struct World {
    end: i64,
    committed: Option<i64>,
    has_members: bool,
    /// Which of the two leave what they accept to the group.
    have_begun: [bool; 2],
    /// Offsets of events that nobody but the group delivers.
    left: Vec<i64>,
}

impl World {
    /// Both accept an event. Before a gateway has begun, its own queue delivers it.
    fn events_come(&mut self) {
        for has_begun in self.have_begun {
            self.left.extend(has_begun.then_some(self.end));
            self.end += 1;
        }
    }

    fn lost(&self) -> Option<i64> {
        let read_from = self.committed.unwrap_or(0);
        let lowest = self.left.first().copied();
        lowest.filter(|lowest| *lowest < read_from)
    }
}

/// A gateway that does nothing before it is its turn.
struct InTurn<'a> {
    number: usize,
    world: &'a Mutex<World>,
    turn: Receiver<()>,
    done: Sender<()>,
}

impl InTurn<'_> {
    fn step<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.turn.recv().unwrap();
        let mut world = self.world.lock();
        let result = act(&mut world);
        world.events_come();
        drop(world);
        self.done.send(()).unwrap();
        result
    }

    fn begin(&self) {
        begin_at_the_end(self).unwrap();
        self.step(|world| world.have_begun[self.number] = true);
        self.step(|world| world.has_members = true);
    }
}

impl Offsets for InTurn<'_> {
    type Ends = i64;

    fn ends(&self) -> Result<Option<i64>, KafkaError> {
        Ok(self.step(|world| Some(world.end)))
    }

    fn has_begun(&self, _end: &i64) -> Result<bool, KafkaError> {
        Ok(self.step(|world| world.committed.is_some()))
    }

    fn commit(&self, end: &i64) -> Result<(), KafkaError> {
        self.step(|world| match world.has_members {
            true => Err(KafkaError::ConsumerCommit(
                RDKafkaErrorCode::UnknownMemberId,
            )),
            false => {
                world.committed = Some(*end);
                Ok(())
            }
        })
    }
}

/// Both take their steps in this order.
fn begin_in(order: impl Iterator<Item = usize>) -> World {
    let world = Mutex::new(World::default());
    thread::scope(|scope| {
        let both = [0, 1].map(|number| {
            let ((go, turn), (done, is_done)) = (channel(), channel());
            let gateway = InTurn {
                number,
                world: &world,
                turn,
                done,
            };
            scope.spawn(move || gateway.begin());
            (go, is_done)
        });

        for number in order {
            let (go, is_done) = &both[number];
            // One that finds the group begun takes a step less.
            if go.send(()).is_ok() {
                let _ = is_done.recv();
            }
        }
    });
    world.into_inner()
}

#[test]
fn in_whichever_order_two_gateways_begin_a_group_nothing_that_they_leave_to_it_is_lost() {
    let orders = (0_u32..1 << (2 * STEPS)).filter(|order| order.count_ones() as usize == STEPS);
    for order in orders {
        let steps = (0..2 * STEPS).map(|place| usize::from((order >> place) & 1 == 1));
        let world = begin_in(steps);
        assert_eq!(world.lost(), None, "in the order {order:010b}");
        assert!(world.have_begun == [true; 2] && world.has_members);
    }
}
