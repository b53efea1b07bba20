//! An HTTP request → bytes that we are willing to read, and who sent them.
//!
//! Own accept loop on hyper, HTTP/1.1 only, since no ready-made one closes idle, stalled and dripping connections. Promises: a body
//! is never read beyond its limits (size, time, rate, memory); what one source takes, however much, the others do not miss; from its last
//! byte on the commit belongs to a task of its own, so that a box may hang up. Deliberately does not look into a body, but for where it
//! ends: the rest is `normalize`'s.
//!
//! `port` is what lies below HTTP. A request passes `handler`: `head`, `path` and `forwarded` say what it is, `body` reads it into a
//! `room` on a budget, `answer` is what goes back, and `refusals` writes down what was refused.

mod answer;
mod body;
mod door;
mod forwarded;
mod handler;
mod head;
mod path;
pub mod port;
mod refusals;
mod room;
mod whole;

use std::future::Future;

use bytes::Bytes;

use crate::charset::Charset;
use crate::event::{Code, Refusal, Reply, Source};

pub use handler::Door;
pub use port::{Listener, Port, STOP_MAX, serve};
pub use room::Room;

/// What stands behind the door: the gateway.
pub trait Accept: Send + Sync + 'static {
    /// Takes a whole body, which may cost what `room` has. Runs to its end whether or not somebody still waits for the answer.
    fn accept(&self, source: Source, body: Received, room: Room) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// A body that was read and cannot be taken apart (its media type says so, or its path): kept in quarantine.
    fn refuse(&self, source: Source, body: Bytes, refusal: Refusal) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Whether a load balancer should send boxes here.
    fn is_ready(&self) -> bool;
}

/// A body as it came.
pub struct Received {
    pub bytes: Bytes,
    /// Its length was declared by somebody who may have counted characters.
    may_be_short: bool,
}

impl Received {
    /// Whether a refusal for this reason may be the doing of a length that was too small.
    fn may_be_cut(code: Code) -> bool {
        matches!(code, Code::JsonInvalid | Code::EncodingInvalid)
    }

    /// Why `body`, which this was, is refused: by how much its declared length may be short, too.
    pub fn explain(may_be_short: bool, body: &Bytes, charset: Option<&str>, mut refusal: Refusal) -> Refusal {
        if may_be_short
            && Received::may_be_cut(refusal.code)
            && let Some(shortfall) = whole::shortfall(body, Charset::declared(charset))
        {
            refusal.message = format!("{}; {shortfall}", refusal.message);
        }
        refusal
    }

    pub fn may_be_short(&self) -> bool {
        self.may_be_short
    }
}
