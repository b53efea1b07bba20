//! An HTTP request → bytes that we are willing to read, and who sent them.
//!
//! The accept loop is our own, on hyper and HTTP/1.1 only: no ready-made one closes idle, stalled and dripping connections. Promises: a
//! body is never read beyond its limits (size, time, rate, memory). No source, however much it sends, takes from the others. From its last
//! byte on a body is committed by a task of its own, so the box may hang up. Deliberately looks into a body only to find its end:
//! `normalize` reads it.
//!
//! `port` holds the layers below HTTP, and `service` serves their connections. A request passes `handler`: `head`, `path` and `forwarded`
//! judge it, `body` reads it into a `room` on a budget, `commit` hands it to the gateway, `answer` writes the reply, and `refusals` logs
//! what was refused.

mod answer;
mod body;
mod commit;
mod document_end;
mod forwarded;
mod handler;
mod head;
mod path;
pub mod port;
mod refusals;
mod room;
mod service;

use std::future::Future;

use bytes::Bytes;

use crate::charset::Charset;
use boxbridge_event::{Code, Refusal, Reply, Source};

pub use port::{Listener, Port, STOP_MAX, serve};
pub use room::Room;
pub use service::Service;

/// Where bodies go: the gateway.
pub trait Accept: Send + Sync + 'static {
    /// Accepts a whole body. Its work may take the memory that `room` grants. Runs to its end even if nobody waits for the answer.
    fn accept(
        &self,
        source: Source,
        body: Received,
        room: Room,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Keeps a body in quarantine that was read but is not parsed, because of its media type or its path.
    fn refuse(
        &self,
        source: Source,
        body: Bytes,
        refusal: Refusal,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send;

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

/// A body as it arrived.
pub struct Received {
    pub bytes: Bytes,
    /// The sender may have declared too small a length, by counting characters instead of bytes.
    may_be_short: bool,
}

impl Received {
    /// Whether a length that was too small can cause this refusal.
    fn may_be_cut(code: Code) -> bool {
        matches!(code, Code::JsonInvalid | Code::EncodingInvalid)
    }

    /// Adds to `refusal` by how much the declared length of `body` may be too small.
    pub fn explain(
        may_be_short: bool,
        body: &Bytes,
        charset: Option<&str>,
        mut refusal: Refusal,
    ) -> Refusal {
        if may_be_short
            && Received::may_be_cut(refusal.code)
            && let Some(shortfall) = document_end::shortfall(body, Charset::declared(charset))
        {
            refusal.message = format!("{}; {shortfall}", refusal.message);
        }
        refusal
    }

    pub fn may_be_short(&self) -> bool {
        self.may_be_short
    }
}
