//! Turns at what costs a core: a TLS handshake is a signature, which takes as long as the rest of ten requests.
//!
//! Promises: half of the cores at most do it at once, so requests are answered meanwhile. Sources take turns, those that are known before
//! strangers: one that begins a thousand handshakes delays another by one of them. Deliberately bounds no line: each who waits in it has a place.

use std::sync::Arc;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use boxbridge_event::{FairQueue, ShareKey};

pub struct Turns {
    most: usize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    taken: usize,
    known: FairQueue<oneshot::Sender<Turn>>,
    strangers: FairQueue<oneshot::Sender<Turn>>,
}

/// It is somebody's turn while this lives; `None` once it is given on.
pub struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub fn of_this_machine() -> Arc<Turns> {
        Turns::new(available_parallelism().map_or(1, |cores| cores.get() / 2))
    }

    fn new(most: usize) -> Arc<Turns> {
        Arc::new(Turns {
            most: most.max(1),
            line: Mutex::default(),
        })
    }

    /// Waits for a turn; cancel-safe.
    pub async fn take(self: &Arc<Turns>, source: ShareKey, is_known: bool) -> Turn {
        let (sender, receiver) = oneshot::channel();
        {
            let mut line = self.line.lock();
            if line.taken < self.most {
                line.taken += 1;
                return Turn(Some(Arc::clone(self)));
            }

            match is_known {
                true => line.known.push(source, sender),
                false => line.strangers.push(source, sender),
            }
        }
        // Who waits in the line is never left without an answer.
        receiver.await.unwrap_or_else(|_| Turn(None))
    }
}

impl Drop for Turn {
    /// The next one's turn, if it still waits.
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        let mut line = turns.line.lock();
        loop {
            let next = line.known.pop().or_else(|| line.strangers.pop());
            let Some(next) = next else {
                line.taken = line.taken.saturating_sub(1);
                return;
            };
            match next.send(Turn(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // It is still ours to give.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn source(last: u8) -> ShareKey {
        ShareKey::of([192, 168, 1, last].into())
    }

    fn taken(waiting: &mut Pin<&mut impl Future<Output = Turn>>) -> Option<Turn> {
        match waiting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn sources_take_turns_and_those_that_are_known_come_first() {
        let turns = Turns::new(1);
        let mut first = pin!(turns.take(source(1), false));
        let mut second = pin!(turns.take(source(1), false));
        let mut other = pin!(turns.take(source(2), false));
        let mut known = pin!(turns.take(source(3), true));
        let now = taken(&mut first).unwrap();
        for waiting in [&mut second, &mut other, &mut known] {
            assert!(taken(waiting).is_none());
        }

        drop(now);
        assert!(taken(&mut second).is_none());
        let now = taken(&mut known).unwrap();
        drop(now);
        drop(taken(&mut second).unwrap());
        drop(taken(&mut other).unwrap());
        assert_eq!(turns.line.lock().taken, 0);
    }

    #[test]
    fn who_left_the_line_takes_nobodys_turn() {
        let turns = Turns::new(1);
        let now = taken(&mut pin!(turns.take(source(1), false))).unwrap();
        {
            let mut gone = pin!(turns.take(source(2), false));
            assert!(taken(&mut gone).is_none());
        }
        let mut waits = Box::pin(turns.take(source(3), false));
        assert!(taken(&mut waits.as_mut()).is_none());
        drop(now);
        // It got its turn, and leaves before it looks.
        drop(waits);
        assert!(taken(&mut pin!(turns.take(source(4), false))).is_some());
    }
}
