//! Serves one connection, HTTP/1.1 only, from its first request to its last.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, InService};
use super::first_line::Filtered;
use super::listener::{NewConnection, last_call};
use super::places::Place;
use super::timed_stream::TimedStream;
use super::wire::{Greeting, Wire};

const HEADERS_MAX: usize = 64;
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// A usual body takes a few reads of this size; every kept connection may hold one.
const READ_MAX_BYTES: usize = 64 * 1024;

/// How long a connection may be silent between requests, and how long the head of one may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub idle: Duration,
    pub head: Duration,
}

/// Why a connection ended that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("it was not opened: {0}")]
    Unopened(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Opens a connection by `tls`, or in the clear. It has the deadlines from here on.
pub async fn open(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    activity: &Activity,
    deadlines: Deadlines,
    place: &Place,
) -> io::Result<(Wire, Greeting)> {
    // An answer is one small write: it must not wait for the next.
    let _ = stream.set_nodelay(true);
    let stream = TimedStream::new(stream, activity.clone(), deadlines.idle, deadlines.head);
    Wire::open(stream, activity, tls, place).await
}

/// Serves `wire` with `service` until it ends, or after `stop` until it is idle.
pub async fn run<S>(
    wire: Wire,
    service: S,
    activity: &Activity,
    stop: &CancellationToken,
) -> hyper::Result<()>
where
    S: tower::Service<Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let service = TowerToHyperService::new(service);
    let stream = TokioIo::new(Filtered::new(wire));
    let connection = http1().serve_connection(stream, service);
    tokio::pin!(connection);

    tokio::select! {
        biased;
        ended = &mut connection => ended,
        // Without the last call hyper would close a connection that it has not read yet, with a request perhaps in the kernel.
        () = last_call(stop, activity) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

/// Serves a connection whose requests `answer` answers. Each is in service until the body of its answer has ended.
pub async fn answer_each<A, F>(
    connection: NewConnection,
    deadlines: Deadlines,
    stop: &CancellationToken,
    answer: A,
) -> Result<(), Broken>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send,
{
    let NewConnection {
        stream,
        encryption,
        activity,
        place,
        ..
    } = connection;
    let tls = encryption.now();
    let (wire, greeting) = tokio::select! {
        // A stop between the accept and this line must not drop a connection that is ready.
        biased;
        opened = open(stream, tls, &activity, deadlines, &place) => opened?,
        () = last_call(stop, &activity) => return Ok(()),
    };

    let is_unheard = matches!(greeting, Greeting::PlainToTls);
    let of_service = activity.clone();
    let service = tower::service_fn(move |request| {
        let begun = of_service.begin();
        let answer = (!is_unheard).then(|| answer(request));
        async move {
            let answer = match answer {
                Some(answer) => answer.await,
                None => tls_wanted(),
            };
            Ok(answer.map(|body| in_service(body, begun)))
        }
    });
    Ok(run(wire, service, &activity, stop).await?)
}

fn tls_wanted() -> Response {
    let text = "This port speaks TLS: the address begins with https://\n";
    (StatusCode::BAD_REQUEST, [(CONNECTION, "close")], text).into_response()
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A box may hang up right after its last byte. Without this hyper would then drop the handler, and the event.
        .half_close(true)
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_MAX_BYTES)
        .max_buf_size(READ_MAX_BYTES)
        .header_read_timeout(None);
    builder
}

/// The body of an answer: its request is in service until it ends, also where it comes bit by bit.
fn in_service(body: Body, in_service: InService) -> Body {
    Body::new(ServedBody {
        body,
        _in_service: in_service,
    })
}

struct ServedBody {
    body: Body,
    _in_service: InService,
}

impl hyper::body::Body for ServedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::super::places::Places;
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: box\r\n\r\n";
    const SERVED_FOR: Duration = Duration::from_secs(1);

    /// A connection whose requests wait for `go`, and the age of each when it is served.
    async fn served() -> (
        TcpStream,
        mpsc::UnboundedReceiver<Duration>,
        mpsc::UnboundedSender<()>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (begun, ages) = mpsc::unbounded_channel();
        let (go, gate) = mpsc::unbounded_channel::<()>();

        let activity = Activity::default();
        let gate = std::sync::Arc::new(tokio::sync::Mutex::new(gate));
        let of_request = activity.clone();
        let service = tower::service_fn(move |_: Request<Incoming>| {
            let (activity, begun, gate) = (of_request.clone(), begun.clone(), gate.clone());
            async move {
                let _in_service = activity.begin();
                begun.send(activity.waited()).unwrap();
                gate.lock().await.recv().await;
                Ok(Response::new(axum::body::Body::empty()))
            }
        });

        let deadlines = Deadlines {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(60),
        };
        tokio::spawn(async move {
            let stop = CancellationToken::new();
            let place = Places::new(1, 1, SERVED_FOR).take(None, &activity).unwrap();
            let opened = open(stream, None, &activity, deadlines, &place).await;
            let (wire, _) = opened.unwrap();
            let _ = run(wire, service, &activity, &stop).await;
        });
        (client, ages, go)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_that_came_behind_another_is_as_old_as_its_first_byte() {
        let (mut client, mut ages, go) = served().await;

        // Two are read at once; one waits in the kernel, and so does its successor, which came much later.
        client.write_all(&REQUEST.repeat(2)).await.unwrap();
        ages.recv().await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        tokio::time::sleep(SERVED_FOR).await;
        client.write_all(REQUEST).await.unwrap();
        (0..4).for_each(|_| go.send(()).unwrap());
        for which in ["read with the first", "in the kernel since then"] {
            let age = ages.recv().await.unwrap();
            assert!(age > SERVED_FOR * 9 / 10, "{which}: {age:?}");
        }
        ages.recv().await.unwrap();

        // What comes over a connection that was silent is as young as it is.
        let mut answers = [0; 4096];
        let silent = async { while client.read(&mut answers).await.is_ok_and(|read| read > 0) {} };
        let _ = tokio::time::timeout(4 * SERVED_FOR, silent).await;
        client.write_all(REQUEST).await.unwrap();
        let age = ages.recv().await.unwrap();
        assert!(age < 3 * SERVED_FOR, "{age:?}");
    }
}
