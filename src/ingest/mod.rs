//! An HTTP request → bytes that we are willing to read, and who sent them.
//!
//! Own accept loop on hyper, HTTP/1.1 only, since no ready-made one closes idle, stalled and dripping connections. Promises: a body
//! is never read beyond its limits (size, time, rate, bytes in flight, a source's share of them); from its last byte on the commit
//! belongs to a task of its own, so that a box may hang up. Deliberately does not look into a body: that is `normalize`.

mod answer;
mod arrival;
mod body;
mod budget;
mod forwarded;
mod handler;
mod head;
mod listener;
mod patience;
mod proxy_protocol;

use std::future::Future;

use bytes::Bytes;

use crate::event::{Refusal, Reply, Source};

pub use handler::Door;
pub use listener::{Listener, STOP_MAX, bind, serve};

/// What stands behind the door: the gateway.
pub trait Accept: Send + Sync + 'static {
    /// Takes a whole body. Runs to its end whether or not somebody still waits for the answer.
    fn accept(&self, source: Source, body: Bytes) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// A body that was read and cannot be taken apart (its media type says so): kept in quarantine.
    fn refuse(&self, source: Source, body: Bytes, refusal: Refusal) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Whether a load balancer should send boxes here.
    fn is_ready(&self) -> bool;
}
