//! A connection that is read only for so long: the idle time between requests, and the time for one head.
//!
//! hyper's own head deadline starts with the silence before a request, which would cut a box's idle connection in the moment it is
//! used again. Deadlines for bodies are in `body`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Whether a request is being served; shared by the connection and its handler.
#[derive(Clone, Default)]
pub struct Serving(Arc<AtomicBool>);

/// While it lives, a request is being served.
pub struct InService(Serving);

impl Serving {
    pub fn begin(&self) -> InService {
        self.0.store(true, Ordering::Release);
        InService(self.clone())
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

pub struct Patience<S> {
    stream: S,
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

impl<S> Patience<S> {
    pub fn new(stream: S, serving: Serving, idle_timeout: Duration, head_timeout: Duration) -> Patience<S> {
        let deadline = Box::pin(tokio::time::sleep(idle_timeout));
        Patience { stream, serving, idle_timeout, head_timeout, phase: Phase::Idle, deadline }
    }

    fn enter(&mut self, phase: Phase, timeout: Duration) {
        self.phase = phase;
        self.deadline.as_mut().reset(Instant::now() + timeout);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.serving.0.load(Ordering::Acquire) {
            this.phase = Phase::Served;
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        if this.phase == Phase::Served {
            this.enter(Phase::Idle, this.idle_timeout);
        }
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if this.phase == Phase::Idle && buffer.filled().len() > before {
                this.enter(Phase::Head, this.head_timeout);
            }
            return Poll::Ready(result);
        }
        ready!(this.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request in time")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
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
