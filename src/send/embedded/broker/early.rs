//! What was published in the first seconds after a start, for subscribers who are on their way back.
//!
//! Sessions live in memory, so after a restart the broker knows nobody. To hold alerts back until everybody is there would make them late
//! for those who are; to send them at once would lose them for the others. So they go out at once *and* are remembered for [`LASTS`]: who
//! subscribes within it gets what it missed, and a publication that nobody wanted so far is answered when somebody does, or when the time
//! is over. Promises: nobody is told the same twice; what is remembered is bounded, alerts and the rest each for themselves, so that no backlog
//! takes their place; what is no alert and finds no room waits on disk until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::{Answer, Haste};
use super::message::Message;
use super::session::Session;

/// Clients try again a second or two after their connection broke. Longer would be too late for an alert anyway.
const LASTS: Duration = Duration::from_secs(5);
/// Of alerts, and the same of the rest: both fit into one queue.
const COUNT_MAX: usize = 400;
const BYTES_MAX: usize = 8 << 20;
/// Of a session that has it.
const MARK: usize = size_of::<u64>();

pub(super) struct Early {
    ends: Instant,
    publications: Vec<Remembered>,
    alerts: Room,
    others: Room,
}

#[derive(Default)]
struct Room {
    count: usize,
    bytes: usize,
}

struct Remembered {
    message: Arc<Message>,
    qos: u8,
    haste: Haste,
    /// The sessions that have it, in order.
    told: Vec<u64>,
    /// Where nobody has heard it yet.
    unanswered: Option<Answer>,
}

impl Early {
    pub fn new() -> Early {
        Early { ends: Instant::now() + LASTS, publications: Vec::new(), alerts: Room::default(), others: Room::default() }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// There is no room for another.
    pub fn is_full(&self, haste: Haste) -> bool {
        let room = match haste {
            Haste::Alert => &self.alerts,
            Haste::InTurn => &self.others,
        };
        room.count >= COUNT_MAX || room.bytes >= BYTES_MAX
    }

    /// Answers now, if somebody was told or there is no room to remember it; else later.
    pub fn remember(&mut self, message: &Arc<Message>, qos: u8, haste: Haste, mut told: Vec<u64>, answer: Answer) {
        let has_room = !self.is_full(haste);
        let unanswered = if told.is_empty() && has_room {
            Some(answer)
        } else {
            answer(!told.is_empty());
            None
        };
        if has_room {
            let room = self.room(haste);
            room.count += 1;
            room.bytes += message.weight + MARK * told.len();
            told.sort_unstable();
            self.publications.push(Remembered { message: Arc::clone(message), qos, haste, told, unanswered });
        }
    }

    /// Somebody subscribed: what it has missed so far. How many older messages had to go for it.
    pub fn tell(&mut self, session: &mut Session) -> usize {
        let Early { publications, alerts, others, .. } = self;
        let mut dropped = 0;
        for publication in publications {
            let Err(place) = publication.told.binary_search(&session.number) else { continue };
            let Some(delivery) = session.delivery(&publication.message, publication.qos, false) else { continue };
            dropped += usize::from(session.push(delivery));
            publication.told.insert(place, session.number);
            match publication.haste {
                Haste::Alert => alerts.bytes += MARK,
                Haste::InTurn => others.bytes += MARK,
            }
            if let Some(answer) = publication.unanswered.take() {
                answer(true);
            }
        }
        dropped
    }

    fn room(&mut self, haste: Haste) -> &mut Room {
        match haste {
            Haste::Alert => &mut self.alerts,
            Haste::InTurn => &mut self.others,
        }
    }

    /// What nobody has heard is answered so.
    pub fn end(self) {
        self.publications.into_iter().filter_map(|publication| publication.unanswered).for_each(|answer| answer(false));
    }
}
