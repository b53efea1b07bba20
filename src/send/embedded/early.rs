//! What was published in the first seconds after a start, for subscribers who are on their way back.
//!
//! Sessions live in memory, so after a restart the broker knows nobody. To hold alerts back until everybody is there would make them late
//! for those who are; to send them at once would lose them for the others. So they go out at once *and* are remembered for [`LASTS`]: who
//! subscribes within it gets what it missed, and a publication that nobody wanted so far is answered when somebody does, or when the time
//! is over. Promises: nobody is told the same twice; what is remembered stays within [`BYTES_MAX`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::exchange::Answer;
use super::message::Message;
use super::session::Session;

/// Clients try again a second or two after their connection broke. Longer would be too late for an alert anyway.
const LASTS: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 16 << 20;

pub(super) struct Early {
    ends: Instant,
    publications: Vec<Remembered>,
    bytes: usize,
}

struct Remembered {
    message: Arc<Message>,
    qos: u8,
    /// The sessions that have it.
    told: Vec<u64>,
    /// Where nobody has heard it yet.
    unanswered: Option<Answer>,
}

impl Early {
    pub fn new() -> Early {
        Early { ends: Instant::now() + LASTS, publications: Vec::new(), bytes: 0 }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// Answers now, if somebody was told or there is no room to remember it; else later.
    pub fn remember(&mut self, message: &Arc<Message>, qos: u8, told: Vec<u64>, answer: Answer) {
        let has_room = self.bytes + message.weight <= BYTES_MAX;
        let unanswered = if told.is_empty() && has_room {
            Some(answer)
        } else {
            answer(!told.is_empty());
            None
        };
        if has_room {
            self.bytes += message.weight;
            self.publications.push(Remembered { message: Arc::clone(message), qos, told, unanswered });
        }
    }

    /// Somebody subscribed: what it has missed so far. How many older messages had to go for it.
    pub fn tell(&mut self, session: &mut Session) -> usize {
        let mut dropped = 0;
        for publication in &mut self.publications {
            if publication.told.contains(&session.number) {
                continue;
            }
            let Some(delivery) = session.delivery(&publication.message, publication.qos, false) else { continue };
            dropped += usize::from(session.push(delivery));
            publication.told.push(session.number);
            if let Some(answer) = publication.unanswered.take() {
                answer(true);
            }
        }
        dropped
    }

    /// What nobody has heard is answered so.
    pub fn end(self) {
        self.publications.into_iter().filter_map(|publication| publication.unanswered).for_each(|answer| answer(false));
    }
}
