//! The publications of the first seconds after a start, for subscribers that are on their way back.
//!
//! Sessions live in memory, so after a restart the broker knows nobody. To hold alerts back until everybody is there would make them late
//! for those who are; to send them at once would lose them for the others. So they go out at once *and* are remembered for [`LASTS`]: a client
//! that subscribes within it gets what it missed, and a publication that nobody wanted so far is answered when somebody does, or when the time
//! is over.
//!
//! Promises: nobody is told the same twice; the memory is bounded, for alerts and the rest separately, so that no backlog takes the alerts'
//! room; what is no alert and finds no room waits on disk until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::packet::publication::Message;
use super::session::Session;
use super::{Answer, Priority};

/// Clients try again a second or two after their connection broke. Longer would be too late for an alert anyway.
const LASTS: Duration = Duration::from_secs(5);
/// Of alerts, and the same of the rest: both fit into one queue.
const COUNT_MAX: usize = 400;
const BYTES_MAX: usize = 8 << 20;
/// Of a session that has it.
const MARK: usize = size_of::<u64>();

pub(super) struct StartupBacklog {
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
    priority: Priority,
    /// The sessions that have it, in order.
    told: Vec<u64>,
    /// Where nobody has heard it yet.
    unanswered: Option<Answer>,
}

impl StartupBacklog {
    pub fn new() -> StartupBacklog {
        StartupBacklog {
            ends: Instant::now() + LASTS,
            publications: Vec::new(),
            alerts: Room::default(),
            others: Room::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// There is no room for another.
    pub fn is_full(&self, priority: Priority) -> bool {
        let room = match priority {
            Priority::Alert => &self.alerts,
            Priority::Normal => &self.others,
        };
        room.count >= COUNT_MAX || room.bytes >= BYTES_MAX
    }

    /// Answers now, if somebody was told or there is no room to remember it; else later.
    pub fn remember(
        &mut self,
        message: &Arc<Message>,
        qos: u8,
        priority: Priority,
        mut told: Vec<u64>,
        answer: Answer,
    ) {
        let has_room = !self.is_full(priority);
        let unanswered = if told.is_empty() && has_room {
            Some(answer)
        } else {
            answer(!told.is_empty());
            None
        };

        if has_room {
            let room = self.room(priority);
            room.count += 1;
            room.bytes += message.weight + MARK * told.len();
            told.sort_unstable();
            self.publications.push(Remembered {
                message: Arc::clone(message),
                qos,
                priority,
                told,
                unanswered,
            });
        }
    }

    /// Somebody subscribed: queues what it has missed so far. How many older messages had to go for that.
    pub fn tell(&mut self, session: &mut Session) -> usize {
        let StartupBacklog {
            publications,
            alerts,
            others,
            ..
        } = self;
        let mut dropped = 0;
        for publication in publications {
            let Err(position) = publication.told.binary_search(&session.number) else {
                continue;
            };
            let Some(delivery) = session.delivery(&publication.message, publication.qos, false)
            else {
                continue;
            };

            dropped += usize::from(session.push(delivery));
            publication.told.insert(position, session.number);
            match publication.priority {
                Priority::Alert => alerts.bytes += MARK,
                Priority::Normal => others.bytes += MARK,
            }
            if let Some(answer) = publication.unanswered.take() {
                answer(true);
            }
        }
        dropped
    }

    fn room(&mut self, priority: Priority) -> &mut Room {
        match priority {
            Priority::Alert => &mut self.alerts,
            Priority::Normal => &mut self.others,
        }
    }

    /// What nobody has heard is answered so.
    pub fn end(self) {
        self.publications
            .into_iter()
            .filter_map(|publication| publication.unanswered)
            .for_each(|answer| answer(false));
    }
}
