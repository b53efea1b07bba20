//! A connection that is read and written only for so long (the idle time between requests, the time for one head, the time in which an
//! answer must be read), that gives its place to others when it is asked to, and that says how long what it reads has waited.
//!
//! hyper's own head deadline starts with the silence before a request, which would cut a box's idle connection in the moment it is
//! used again. Deadlines for bodies are in `body`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::arrival;
use super::exchange::{Exchange, Phase};
use super::first_line::FirstLine;

/// For an answer of 64 KiB over the slowest line that anyone has; one that is not read holds its place and its memory no longer.
const UNREAD_MAX: Duration = Duration::from_secs(10);
/// Silent for so long, a connection gives way to others: no box is that slow between its connection and its request.
pub(super) const SILENT_MIN: Duration = Duration::from_secs(5);

pub struct Patience {
    stream: TcpStream,
    exchange: Exchange,
    first_line: FirstLine,
    idle_timeout: Duration,
    head_timeout: Duration,
    /// What `deadline` is for.
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
    /// While something that was written is not taken.
    unread: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub fn new(stream: TcpStream, exchange: Exchange, idle_timeout: Duration, head_timeout: Duration) -> Patience {
        let deadline = Box::pin(tokio::time::sleep(idle_timeout));
        let first_line = FirstLine::default();
        Patience { stream, exchange, first_line, idle_timeout, head_timeout, phase: Phase::Idle, deadline, unread: None }
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

    /// Reads at least a byte that passes; nothing at the end of the stream.
    fn poll_read_some(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            if self.first_line.is_over() || buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let kept = self.first_line.pass(&mut buffer.filled_mut()[before..]);
            buffer.set_filled(before + kept);
            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Nothing lies in the receive buffer: whether it is to be waited for.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_idle = self.phase == Phase::Idle;
        if is_idle
            && self.exchange.takes_the_question(context.waker())
            && self.exchange.silent_for().is_some_and(|it| it >= SILENT_MIN)
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "silent while others wait for a place")));
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(no_request()))
    }

    /// A write that is not taken is waited for, but not for ever.
    fn poll_taken<T>(&mut self, context: &mut Context<'_>, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_ready() {
            return write;
        }
        let unread = self.unread.get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD_MAX)));
        ready!(unread.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not read")))
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
                // Also of what never falls silent.
                if this.phase == Phase::Head && this.deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(no_request()));
                }
                this.poll_read_some(context, buffer)
            }
            Poll::Ready(_) => Pin::new(&mut this.stream).poll_read(context, buffer),
            Poll::Pending if this.phase == Phase::Served => Poll::Pending,
            Poll::Pending => {
                this.exchange.drained();
                this.poll_silence(context)
            }
        }
    }
}

fn no_request() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no request in time")
}

impl AsyncWrite for Patience {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_taken(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.poll_taken(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Comes when all that was to be written is with the kernel.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unread = None;
        self.exchange.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
