//! An HTTP request → bytes that we are willing to read, and who sent them.
//!
//! The accept loop is our own, on hyper and HTTP/1.1 only: no ready-made one closes idle, stalled and dripping connections. Promises: a
//! body is never read beyond its limits (size, time, rate, memory). No source, however much it sends, takes from the others. From its last
//! byte on a body is committed by a task of its own, so the box may hang up. Deliberately looks into a body only to find its end:
//! `normalize` reads it.
//!
//! `port` holds the layers below HTTP: places, deadlines, PROXY headers and TLS. `service` is the state that all
//! connections share, and serves one. A request passes `handler`: `path` says what it is for, `authorization` whose it is and whether they may
//! send, `head` judges it as HTTP. Then `body` reads it into a `memory` on a budget, `commit`
//! hands it to the gateway, `answer` writes the reply, and `refusals` logs what was refused. `described` tells people of all this.

mod answer;
mod authorization;
mod body;
mod body_memory;
mod commit;
pub mod described;
mod handler;
mod head;
mod path;
pub mod port;
mod refusals;
mod service;

use std::future::Future;

use bytes::Bytes;

use boxbridge_event::{Code, Refusal, Reply, Source};

pub use body::Received;
pub use body_memory::BodyMemory;
pub use port::{Listener, Port, STOP_MAX, serve};
pub use service::{HistoryTurn, Service};

/// Where bodies go: the gateway.
pub trait Accept: Send + Sync + 'static {
    /// Accepts a whole body. Its work may take the memory that `memory` grants. Runs to its end even if nobody waits for the answer.
    fn accept(
        &self,
        source: Source,
        body: Received,
        memory: BodyMemory,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Keeps a body in quarantine that was read but is not parsed, because of its media type or its path.
    fn refuse(
        &self,
        source: Source,
        body: Bytes,
        refusal: Refusal,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// A box told of itself or of its devices. Whatever it says is taken.
    fn status_report(&self, source: Source, body: Bytes) -> impl Future<Output = ()> + Send;

    /// Counts a request, or an element of an array, that no event came of. `feed` is the metric label.
    fn count(&self, feed: &'static str, ended: Ended);

    /// Whether a load balancer should send boxes here.
    fn is_ready(&self) -> bool;
}

/// How a request ended that no event came of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Refused(Code),
    /// Its sender went away before its body had arrived.
    Aborted,
    /// A box told of itself.
    StatusReport,
}
