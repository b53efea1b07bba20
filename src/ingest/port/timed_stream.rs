//! A TCP stream with deadlines: for the silence between requests, for one head, and for an answer to be read.
//!
//! It also gives its place to others when it is asked to, and notes how long the bytes it reads have waited. hyper's own head deadline
//! starts with the silence before a request, and would cut a box's idle connection just when it is used again. Deadlines for bodies are
//! in `body`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, Phase};
use super::tcp_info;

/// Enough for an answer of 64 KiB over the slowest line; after this an unread answer gives up its place and its memory.
const UNREAD_MAX: Duration = Duration::from_secs(10);
/// The kernel counts the age of bytes in ticks of up to this length.
const TICK: Duration = Duration::from_millis(10);

pub struct TimedStream {
    stream: TcpStream,
    activity: Activity,
    /// When the kernel was asked last for the age of what lies unread.
    asked: Option<Instant>,
    idle_timeout: Duration,
    head_timeout: Duration,
    /// The phase that `deadline` is for.
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
    /// Runs while the kernel takes no more of the answer.
    unread: Option<Pin<Box<Sleep>>>,
}

impl TimedStream {
    pub fn new(
        stream: TcpStream,
        activity: Activity,
        idle_timeout: Duration,
        head_timeout: Duration,
    ) -> TimedStream {
        TimedStream {
            stream,
            activity,
            asked: None,
            idle_timeout,
            head_timeout,
            phase: Phase::Idle,
            deadline: Box::pin(tokio::time::sleep(idle_timeout)),
            unread: None,
        }
    }

    /// Starts the deadline of a new phase. A request that came in one piece may have been served since the last call.
    fn keep_up(&mut self) {
        let phase = self.activity.phase();
        if phase != self.phase {
            self.phase = phase;
            let timeout = if phase == Phase::Head {
                self.head_timeout
            } else {
                self.idle_timeout
            };
            self.deadline.as_mut().reset(Instant::now() + timeout);
        }
    }

    /// The first byte that lies unread, as soon as there is one. It has the deadlines of a head.
    pub async fn first_byte(&mut self) -> io::Result<u8> {
        std::future::poll_fn(|context| {
            self.keep_up();
            match self.poll_first(context) {
                Poll::Ready(Ok(Some(first))) => Poll::Ready(Ok(first)),
                Poll::Ready(Ok(None)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => self
                    .poll_silence(context)
                    .map(|ended| ended.and(Err(io::ErrorKind::TimedOut.into()))),
            }
        })
        .await
    }

    /// Returns once the other side has closed with nothing left to read; with more to read, never.
    pub async fn gone(&mut self) {
        let there = std::future::poll_fn(|context| self.poll_first(context)).await;
        if let Ok(Some(_)) = there {
            std::future::pending::<()>().await;
        }
    }

    /// Notes the age of what lies unread; pending if that is nothing. Asks before the read: once there is room in the kernel, the rest of a
    /// body follows at once and makes the stream look young.
    fn poll_age(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The answer of a moment ago still holds, to the exactness that the kernel has. A new request begins with a question of its own.
        let is_known =
            self.phase != Phase::Idle && self.asked.is_some_and(|at| at.elapsed() < TICK);
        if is_known {
            return Poll::Ready(());
        }

        if let Ok(Some(_)) = ready!(self.poll_first(context)) {
            self.asked = Some(Instant::now());
            self.activity.found(tcp_info::age(&self.stream));
            self.keep_up();
        }
        Poll::Ready(())
    }

    /// The first byte that lies unread; `None` at the end of the stream.
    fn poll_first(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        let mut first = [0];
        let peeked = ready!(
            self.stream
                .poll_peek(context, &mut ReadBuf::new(&mut first))
        );
        let [first] = first;
        Poll::Ready(peeked.map(|peeked| (peeked > 0).then_some(first)))
    }

    /// The receive buffer is empty: waits on, or ends the connection.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase == Phase::Served {
            return Poll::Pending;
        }

        self.activity.drained();
        if self.activity.is_to_leave(context.waker()) {
            let why = "no request while others wait for a place";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)));
        }

        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(no_request()))
    }

    /// Waits for the kernel to take a write, but not longer than `UNREAD_MAX`.
    fn poll_taken<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            return write;
        }

        let unread = self
            .unread
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(UNREAD_MAX)));
        ready!(unread.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the answer is not read",
        )))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.keep_up();

        if this.poll_age(context).is_pending() {
            return this.poll_silence(context);
        }
        // A peer that never falls silent has this deadline too.
        if this.phase == Phase::Head && this.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(no_request()));
        }

        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => this.poll_silence(context),
            read => read,
        }
    }
}

fn no_request() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no request in time")
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
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

    /// Ready once the kernel has all bytes of the answer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;

        self.unread = None;
        self.activity.written();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
