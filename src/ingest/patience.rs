//! A connection that is read only for so long: the idle time between requests, and the time for one head.
//!
//! hyper's own head deadline starts with the silence before a request, which would cut a box's idle connection in the moment it is
//! used again. Deadlines for bodies are in `body`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::arrival;
use crate::event::Timestamp;

/// What a connection and the handler of its requests tell each other.
#[derive(Clone, Default)]
pub struct Serving(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_serving: AtomicBool,
    is_in_head: AtomicBool,
    heard_at: AtomicI64,
}

/// While it lives, a request is being served.
pub struct InService(Serving);

impl Serving {
    pub fn begin(&self) -> InService {
        self.0.is_serving.store(true, Ordering::Release);
        InService(self.clone())
    }

    /// Whether a part of a request's head has come, and no more.
    pub fn is_in_head(&self) -> bool {
        self.0.is_in_head.load(Ordering::Acquire)
    }

    /// When the last bytes came: not when they were read.
    pub fn heard_at(&self) -> Timestamp {
        Timestamp(self.0.heard_at.load(Ordering::Acquire))
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.0.is_serving.store(false, Ordering::Release);
    }
}

pub struct Patience {
    stream: TcpStream,
    serving: Serving,
    idle_timeout: Duration,
    head_timeout: Duration,
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
}

#[derive(PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Idle,
    /// The first bytes of a request have come.
    Head,
    Served,
}

impl Patience {
    pub fn new(stream: TcpStream, serving: Serving, idle_timeout: Duration, head_timeout: Duration) -> Patience {
        let deadline = Box::pin(tokio::time::sleep(idle_timeout));
        Patience { stream, serving, idle_timeout, head_timeout, phase: Phase::Idle, deadline }
    }

    fn enter(&mut self, phase: Phase, timeout: Duration) {
        self.serving.0.is_in_head.store(phase == Phase::Head, Ordering::Release);
        self.phase = phase;
        self.deadline.as_mut().reset(Instant::now() + timeout);
    }
}

impl AsyncRead for Patience {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match (this.serving.0.is_serving.load(Ordering::Acquire), &this.phase) {
            (true, Phase::Idle | Phase::Head) => this.enter(Phase::Served, this.idle_timeout),
            (false, Phase::Served) => this.enter(Phase::Idle, this.idle_timeout),
            _ => {}
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.serving.0.heard_at.store(Timestamp::now().0 - arrival::age(&this.stream), Ordering::Release);
            if this.phase == Phase::Idle {
                this.enter(Phase::Head, this.head_timeout);
            }
        }
        if read.is_ready() || this.phase == Phase::Served {
            return read;
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request in time")))
    }
}

impl AsyncWrite for Patience {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
