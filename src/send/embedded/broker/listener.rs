//! Accepts connections: TCP, or a WebSocket on it, and either over TLS.
//!
//! Promises: a connection that does not get to its CONNECT in time is closed, whatever it does on the way there. Where TLS is spoken, only this
//! machine may leave it away, as its own gateway does: what it says crosses no network.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use async_tungstenite::tungstenite::http::{HeaderValue, Response as HttpResponse, StatusCode};
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use ws_stream_tungstenite::WsStream;

use super::Shared;
use super::admission::Slot;
use super::connection::{self, CONNECT_WITHIN};
use super::packet::frame::CLIENT_PACKET_MAX;
use super::packet::reason;

/// After a failure to accept, such as having no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// Before the system asks whether a silent client is still there.
const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(60);
/// Of a WebSocket, each way: the library's own would be 128 KiB.
const BUFFER: usize = 8 << 10;
const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    WebSocket,
}

/// Accepts connections until `stop`.
pub(super) async fn accept(
    listener: &TcpListener,
    transport: Transport,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let mut is_failing = false;
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    warn!(%error, listen = listen(listener), "the embedded broker cannot accept a connection");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };

        if std::mem::take(&mut is_failing) {
            info!(
                listen = listen(listener),
                "the embedded broker accepts connections again"
            );
        }
        match shared.admission.admit(from) {
            Some(slot) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(serve(stream, from, transport, slot, shared));
            }
            None => shared.access.refused(reason::QUOTA, from),
        }
    }
}

/// Where it listens, for the log.
fn listen(listener: &TcpListener) -> String {
    listener
        .local_addr()
        .map_or_else(|_| String::new(), |address| address.to_string())
}

async fn serve(
    stream: TcpStream,
    from: IpAddr,
    transport: Transport,
    slot: Slot,
    shared: Arc<Shared>,
) {
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE_IDLE);

    let opened = tokio::select! {
        _ = slot.closing.closed() => return,
        opened = tokio::time::timeout(CONNECT_WITHIN, open(stream, from, transport, &shared)) => opened,
    };
    match opened {
        Ok(Some(Either::Left(wire))) => connection::serve(wire, from, slot, shared).await,
        Ok(Some(Either::Right(socket))) => connection::serve(socket, from, slot, shared).await,
        Ok(None) | Err(_) => {}
    }
}

/// In the clear, or over TLS.
type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;
type Socket = WsStream<async_tungstenite::tokio::TokioAdapter<Wire>>;

/// The way to a CONNECT; `None` where it ends before.
async fn open(
    stream: TcpStream,
    from: IpAddr,
    transport: Transport,
    shared: &Shared,
) -> Option<Either<Wire, Socket>> {
    let wire = match shared.encryption.now() {
        Some(tls) => encrypted(stream, from, tls).await?,
        None => Either::Left(stream),
    };
    match transport {
        Transport::Tcp => Some(Either::Left(wire)),
        Transport::WebSocket => upgrade(wire).await.map(Either::Right),
    }
}

/// A record of TLS's handshake (RFC 8446 section 5.1). Neither MQTT nor HTTP begins so.
const HANDSHAKE: u8 = 22;

async fn encrypted(stream: TcpStream, from: IpAddr, tls: Arc<ServerConfig>) -> Option<Wire> {
    let mut first = [0];
    stream.peek(&mut first).await.ok()?;
    if first == [HANDSHAKE] {
        let shaken = TlsAcceptor::from(tls).accept(stream).await;
        return shaken.ok().map(|stream| Either::Right(Box::new(stream)));
    }

    // A connection from an address of our own never leaves the machine.
    let is_ours = stream.local_addr().is_ok_and(|to| to.ip() == from);
    is_ours.then_some(Either::Left(stream))
}

async fn upgrade(stream: Wire) -> Option<Socket> {
    // A client's publications are read past only as far as they fit into one message of the WebSocket.
    let most = 2 * CLIENT_PACKET_MAX as usize;
    let config = WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);

    let accepted = async_tungstenite::tokio::accept_hdr_async_with_config(
        stream,
        choose_protocol,
        Some(config),
    )
    .await;
    accepted.ok().map(WsStream::new)
}

/// The subprotocol has to be MQTT (MQTT 5, 6).
#[expect(clippy::result_large_err, reason = "the library's own signature")]
fn choose_protocol(
    request: &Request,
    mut response: Response,
) -> Result<Response, HttpResponse<Option<String>>> {
    let offered = request
        .headers()
        .get_all(SUBPROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut words = offered.flat_map(|value| value.split(',')).map(str::trim);
    let chosen = words.find(|word| ["mqtt", "mqttv3.1"].contains(word));

    match chosen.map(HeaderValue::from_str) {
        Some(Ok(word)) => {
            response.headers_mut().append(SUBPROTOCOL, word);
            Ok(response)
        }
        _ => Err(not_mqtt()),
    }
}

fn not_mqtt() -> HttpResponse<Option<String>> {
    let words = "this is MQTT: ask for the subprotocol mqtt";
    let mut refusal = HttpResponse::new(Some(words.to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    refusal
}
