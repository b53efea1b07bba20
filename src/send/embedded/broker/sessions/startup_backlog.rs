//! The publications of the first seconds after a start, for subscribers that are on their way back.
//!
//! Sessions live in memory, so after a restart the broker knows nobody. If alerts waited until everybody is back, they would be late for the
//! clients that are; if they were only sent at once, the others would miss them. So they go out at once *and* are remembered for [`LASTS`]: a
//! client that subscribes in this time gets the publications that it missed. A publication that nobody wanted so far is answered when somebody
//! does, or when the time is over.
//!
//! Promises: nobody is told the same twice; the memory is bounded, for alerts and the rest separately, so that no backlog takes the alerts'
//! room; a message that is no alert and finds no room waits on disk until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::packet::publication::Message;
use super::session::Session;
use super::{Acknowledge, Priority};

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
    alerts: Used,
    others: Used,
}

/// Of the memory for publications of one priority.
#[derive(Default)]
struct Used {
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
    unanswered: Option<Acknowledge>,
}

impl StartupBacklog {
    pub fn new() -> StartupBacklog {
        StartupBacklog {
            ends: Instant::now() + LASTS,
            publications: Vec::new(),
            alerts: Used::default(),
            others: Used::default(),
        }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// There is no room for another.
    pub fn is_full(&self, priority: Priority) -> bool {
        let used = match priority {
            Priority::Alert => &self.alerts,
            Priority::Normal => &self.others,
        };
        used.count >= COUNT_MAX || used.bytes >= BYTES_MAX
    }

    /// Answers now, if somebody was told or there is no room to remember it; else later.
    pub fn remember(
        &mut self,
        message: &Arc<Message>,
        qos: u8,
        priority: Priority,
        mut told: Vec<u64>,
        answer: Acknowledge,
    ) {
        if self.is_full(priority) {
            return answer(!told.is_empty());
        }
        let unanswered = if told.is_empty() {
            Some(answer)
        } else {
            answer(true);
            None
        };

        told.sort_unstable();
        let bytes = message.weight + MARK * told.len();
        self.publications.push(Remembered {
            message: Arc::clone(message),
            qos,
            priority,
            told,
            unanswered,
        });
        self.used(priority, bytes).count += 1;
    }

    /// Somebody subscribed: queues the publications that it has missed. How many older messages had to go for that.
    pub fn tell(&mut self, session: &mut Session) -> usize {
        let mut dropped = 0;
        let mut marks = Vec::new();
        for publication in &mut self.publications {
            if let Some(is_full) = publication.tell(session) {
                dropped += usize::from(is_full);
                marks.push(publication.priority);
            }
        }

        for priority in marks {
            self.used(priority, MARK);
        }
        dropped
    }

    /// So many bytes more.
    fn used(&mut self, priority: Priority, bytes: usize) -> &mut Used {
        let used = match priority {
            Priority::Alert => &mut self.alerts,
            Priority::Normal => &mut self.others,
        };
        used.bytes += bytes;
        used
    }

    /// Publications that nobody has heard are answered so.
    pub fn end(self) {
        self.publications
            .into_iter()
            .filter_map(|publication| publication.unanswered)
            .for_each(|answer| answer(false));
    }
}

impl Remembered {
    /// Queues it, if the session wants it and does not have it. Whether an older message had to go for that.
    fn tell(&mut self, session: &mut Session) -> Option<bool> {
        let position = self.told.binary_search(&session.number).err()?;
        let delivery = session.delivery(&self.message, self.qos, false)?;

        let is_full = session.push(delivery);
        self.told.insert(position, session.number);
        if let Some(answer) = self.unanswered.take() {
            answer(true);
        }
        Some(is_full)
    }
}
