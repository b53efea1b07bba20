//! Counts what became of each event and of each request that brought none: the one place that does.
//!
//! Promises: received = accepted + duplicate + quarantined + refused + aborted, and each counts once, in the metrics and in the counts that
//! outlive the process ([`ReceivedCounts`]). Deliberately counts nothing that happens after the answer: cursors count deliveries.

use std::sync::Arc;

use crate::ingest::Ended;
use crate::metrics::{self, Outcome};
use boxbridge_event::{Code, Feed, PersonType};

mod received;

pub use received::ReceivedCounts;

pub struct Counter {
    received: Arc<ReceivedCounts>,
}

impl Counter {
    pub fn new(received: Arc<ReceivedCounts>) -> Counter {
        Counter { received }
    }

    /// A new event is on disk. [`ReceivedCounts`] counts it from the log itself.
    pub fn accepted(&self, feed: Feed, person_type: PersonType) {
        metrics::event(feed.as_str(), Outcome::Accepted);
        metrics::accepted(person_type);
    }

    pub fn duplicate(&self, feed: Feed) {
        metrics::event(feed.as_str(), Outcome::Duplicate);
        self.received.duplicate(feed);
    }

    /// History that was answered 200 without being understood.
    pub fn quarantined(&self, feed: Feed) {
        metrics::event(feed.as_str(), Outcome::Quarantined);
        self.received.quarantined(feed);
    }

    /// A request, or an element of an array, ended without an event.
    pub fn ended(&self, feed: &'static str, ended: Ended) {
        match ended {
            // Its event is on disk, and was counted when it was appended.
            Ended::Refused(code @ Code::NotConfirmed) => metrics::refusal(code),
            Ended::Refused(code) => {
                metrics::event(feed, Outcome::Refused);
                metrics::refusal(code);
            }
            Ended::Aborted => metrics::event(feed, Outcome::Aborted),
            Ended::StatusReport => metrics::event(feed, Outcome::Accepted),
        }
    }
}
