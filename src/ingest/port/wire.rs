//! A connection's bytes as HTTP reads them: in the clear, or through TLS, which begins with a handshake.
//!
//! Promises: a handshake has the deadlines of a request's head, and until it begins the connection may be asked to give way like any silent one.
//! What it costs is done when it is its source's turn. A
//! sender that closes without TLS's own goodbye has closed, no more: HTTP knows how long a body is. Who speaks no TLS where it is wanted is
//! served in the clear all the same, to be told so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::places::Place;
use super::timed_stream::TimedStream;

/// The first byte of a TLS connection: a record of the handshake (RFC 8446 section 5.1). No request of HTTP begins so.
const HANDSHAKE: u8 = 22;
/// The other side reads in this time why its handshake failed.
const LAST_WORDS: Duration = Duration::from_millis(500);

pub enum Wire {
    Plain(TimedStream),
    Tls(Box<TlsStream<TimedStream>>),
}

/// How the other side began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    Plain,
    /// In the clear, on a port that speaks TLS.
    PlainToTls,
    Tls,
}

impl Wire {
    /// Opens `stream` as the port wants it: by `tls`, or in the clear where there is none.
    pub async fn open(
        mut stream: TimedStream,
        activity: &Activity,
        tls: Option<Arc<ServerConfig>>,
        place: &Place,
    ) -> io::Result<(Wire, Greeting)> {
        let Some(tls) = tls else {
            return Ok((Wire::Plain(stream), Greeting::Plain));
        };
        if stream.first_byte().await? != HANDSHAKE {
            return Ok((Wire::Plain(stream), Greeting::PlainToTls));
        }

        let stream = match shake_hands(stream, tls, place).await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                if let Some(stream) = stream {
                    say_goodbye(stream).await;
                }
                return Err(error);
            }
        };

        activity.begins_anew();
        Ok((Wire::Tls(Box::new(stream)), Greeting::Tls))
    }

    /// What the other side has shown, its own certificate first. An authority that we trusted then has signed it.
    pub fn certificates(&self) -> Option<&[CertificateDer<'static>]> {
        let Wire::Tls(stream) = self else { return None };
        stream.get_ref().1.peer_certificates()
    }
}

/// Where it does not come about, the stream is given back.
async fn shake_hands(
    stream: TimedStream,
    tls: Arc<ServerConfig>,
    place: &Place,
) -> Result<TlsStream<TimedStream>, (io::Error, Option<TimedStream>)> {
    let mut hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let heard = match (&mut hello).await {
        Ok(heard) => heard,
        Err(error) => return Err((error, hello.take_io())),
    };

    let turn = place.turn().await;
    // The signature. Nothing that comes after it costs as much.
    let shaking = heard.into_stream(tls);
    drop(turn);
    let shaken = shaking.into_fallible().await;
    shaken.map_err(|(error, stream)| (error, Some(stream)))
}

/// A connection that is closed with bytes unread takes what was written along.
async fn say_goodbye(mut stream: TimedStream) {
    let mut unread = [0; 1024];
    let to_the_end = async {
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(LAST_WORDS, to_the_end).await;
}

/// Whether a connection ended because no handshake came about, and not because somebody left.
pub fn is_failed_handshake(error: &io::Error) -> bool {
    let cause = error.get_ref();
    cause.is_some_and(|cause| cause.is::<rustls::Error>())
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Wire::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => match Pin::new(stream).poll_read(context, buffer) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Wire::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Wire::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Wire::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Wire::Plain(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Wire::Plain(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Wire::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
