//! Where a listener puts what it received: one bounded channel to the recorder, shared by all listeners.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::reconcile::recording::Recorded;
use crate::reconcile::rules::BusRules;

/// One bus's end of the channel.
#[derive(Clone)]
pub struct Sink {
    pub lines: mpsc::Sender<Recorded>,
    /// The destination's name.
    pub bus: String,
    pub rules: Arc<BusRules>,
    pub stop: CancellationToken,
}

impl Sink {
    /// What a message on this bus comes to.
    pub fn read(&self, topic: &str, payload: &[u8], retained: bool) -> Recorded {
        Recorded::read(&self.bus, topic, payload, retained, &self.rules)
    }

    /// Waits for room. When nobody takes lines any more, the recording is over.
    pub async fn put(&self, line: Recorded) {
        if self.lines.send(line).await.is_err() {
            self.stop.cancel();
        }
    }

    /// The same on a thread of its own.
    pub fn put_blocking(&self, line: Recorded) {
        if self.lines.blocking_send(line).is_err() {
            self.stop.cancel();
        }
    }
}
