//! A connection that is read only for so long (the idle time between requests, and the time for one head), and that says how long what
//! it reads has waited.
//!
//! hyper's own head deadline starts with the silence before a request, which would cut a box's idle connection in the moment it is
//! used again. Deadlines for bodies are in `body`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::arrival;

/// What a connection and the handler of its requests tell each other.
#[derive(Clone, Default)]
pub struct Exchange(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// A [`Phase`].
    phase: AtomicU8,
    waited_ms: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Between requests.
    Idle,
    /// The first bytes of a request have come.
    Head,
    Served,
}

/// While it lives, a request is being served.
pub struct InService(Exchange);

impl Exchange {
    pub fn begin(&self) -> InService {
        self.enter(Phase::Served);
        InService(self.clone())
    }

    /// Whether a part of a request's head has come, and no more.
    pub fn is_in_head(&self) -> bool {
        self.phase() == Phase::Head
    }

    /// The longest that a part of this request lay here unread.
    pub fn waited(&self) -> Duration {
        Duration::from_millis(self.0.waited_ms.load(Ordering::Acquire))
    }

    fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Served,
        }
    }

    fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Release);
    }

    fn found(&self, age: Duration) {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
            self.0.waited_ms.store(age, Ordering::Release);
        } else {
            self.0.waited_ms.fetch_max(age, Ordering::AcqRel);
        }
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

pub struct Patience {
    stream: TcpStream,
    exchange: Exchange,
    idle_timeout: Duration,
    head_timeout: Duration,
    /// What `deadline` is for.
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
}

impl Patience {
    pub fn new(stream: TcpStream, exchange: Exchange, idle_timeout: Duration, head_timeout: Duration) -> Patience {
        let deadline = Box::pin(tokio::time::sleep(idle_timeout));
        Patience { stream, exchange, idle_timeout, head_timeout, phase: Phase::Idle, deadline }
    }

    /// A request that came in one piece was served and answered since the last look.
    fn keep_up(&mut self) {
        let phase = self.exchange.phase();
        if phase != self.phase {
            self.phase = phase;
            let timeout = if phase == Phase::Head { self.head_timeout } else { self.idle_timeout };
            self.deadline.as_mut().reset(Instant::now() + timeout);
        }
    }
}

impl AsyncRead for Patience {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.keep_up();
        let mut first = [0];
        match this.stream.poll_peek(context, &mut ReadBuf::new(&mut first)) {
            Poll::Ready(Ok(1..)) => {
                // Before it is read: with room in the kernel the rest follows at once, and is as young as that.
                this.exchange.found(arrival::age(&this.stream));
                this.keep_up();
                Pin::new(&mut this.stream).poll_read(context, buffer)
            }
            Poll::Ready(_) => Pin::new(&mut this.stream).poll_read(context, buffer),
            Poll::Pending if this.phase == Phase::Served => Poll::Pending,
            Poll::Pending => {
                ready!(this.deadline.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "no request in time")))
            }
        }
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
