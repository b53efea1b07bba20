//! Where the listeners put what they received: one bounded channel to the recorder.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::recording::Recorded;
use super::rules::Rules;

/// Where listeners put their lines.
#[derive(Clone)]
pub struct Sink {
    pub lines: mpsc::Sender<Recorded>,
    pub rules: Arc<Rules>,
    pub stop: CancellationToken,
}

impl Sink {
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
