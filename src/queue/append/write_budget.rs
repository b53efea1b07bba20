//! Bytes that may wait to be written, granted in turn by source where they run out.
//!
//! Promises: never more than there are; the next grant goes to the next source's oldest, which nobody overtakes, however large it is;
//! one that stops waiting holds nothing. Deliberately reserves nothing for anybody, unlike what senders hold for as long as they like: what
//! is granted here comes back with the next write.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use boxbridge_event::{FairQueue, ShareKey};

pub struct WriteBudget(Mutex<State>);

struct State {
    free: usize,
    is_closed: bool,
    line: FairQueue<Waiter>,
}

struct Waiter {
    bytes: usize,
    grant: oneshot::Sender<Granted>,
}

/// Bytes that are taken; dropping it gives them back.
pub struct Granted {
    by: Arc<WriteBudget>,
    bytes: usize,
}

impl WriteBudget {
    pub fn new(bytes: usize) -> Arc<WriteBudget> {
        Arc::new(WriteBudget(Mutex::new(State {
            free: bytes,
            is_closed: false,
            line: FairQueue::default(),
        })))
    }

    /// So many bytes, which there are in all, once it is their turn; `None` once it is closed.
    pub async fn take(self: &Arc<WriteBudget>, source: ShareKey, bytes: usize) -> Option<Granted> {
        let granted = {
            let mut state = self.0.lock();
            if state.is_closed {
                return None;
            }
            if state.line.is_empty() && bytes <= state.free {
                state.free -= bytes;
                return Some(Granted {
                    by: Arc::clone(self),
                    bytes,
                });
            }

            let (grant, granted) = oneshot::channel();
            state.line.push(source, Waiter { bytes, grant });
            granted
        };
        granted.await.ok()
    }

    /// Nobody waits from here on.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        state.line = FairQueue::default();
    }

    fn give_back(self: &Arc<WriteBudget>, bytes: usize) {
        let next = {
            let mut state = self.0.lock();
            state.free += bytes;
            std::iter::from_fn(|| state.next()).collect::<Vec<_>>()
        };
        // Without the lock: one that has gone meanwhile gives its bytes back here.
        for Waiter { bytes, grant } in next {
            let _ = grant.send(Granted {
                by: Arc::clone(self),
                bytes,
            });
        }
    }
}

impl State {
    /// The next in line, if there is enough for it.
    fn next(&mut self) -> Option<Waiter> {
        while self.line.next()?.grant.is_closed() {
            self.line.pop();
        }
        let bytes = self.line.next()?.bytes;
        self.free = self.free.checked_sub(bytes)?;
        self.line.pop()
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        let by = Arc::clone(&self.by);
        by.give_back(self.bytes);
    }
}
