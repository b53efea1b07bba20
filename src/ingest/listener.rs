//! The accept loop: a cap on connections, the deadlines of each, and an end that lets the last answers out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustix::io::Errno;
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::Accept;
use super::handler::{Door, Peer, handle};
use super::head::Path;
use super::patience::{Exchange, Patience};
use super::proxy_protocol::{self, NoHeader, Said};
use crate::config::ForwardedBy;
use crate::event::Code;
use crate::metrics;

const HEADERS_MAX: usize = 64;
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// Large enough that a usual body takes two or three reads.
const READ_MAX_BYTES: usize = 128 * 1024;
/// After an accept that failed for want of descriptors or memory: others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// From the stop on, for a request to begin over a connection that is there.
const LAST_CALL: Duration = Duration::from_millis(100);
/// From the stop on, for requests that have begun before it: no box waits longer for its answer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// The longest that [`serve`] needs to end. A body that is still on its way then lives until the process ends: others wait for the next.
pub const STOP_MAX: Duration = LAST_CALL.saturating_add(LAST_ANSWERS);
/// The kernel's queue of connections not yet accepted: bursts wait there instead of being refused.
const BACKLOG: u32 = 4096;

/// A bound port that does not accept yet.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        Ok(Listener { socket: bind(address)? })
    }

    /// One that is bound already, with whoever has connected to it since.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener { socket: TcpListener::from_std(socket)? })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Listens on `address`. `[::]` is every address there is: of IPv4 as well, and of IPv4 alone where the kernel has nothing else.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let is_every = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let socket = match if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() } {
        Err(error) if is_every && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
            return bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
        }
        socket => socket?,
    };
    if is_every {
        // Whatever net.ipv6.bindv6only says.
        set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Accepts until `stop`, and on until those who were there by then have their answers: nobody waits for a slow one. Connections live in
/// `connections`, and end with their next answer, or when they have nothing to say.
pub async fn serve<A: Accept>(listener: &Listener, door: Arc<Door<A>>, connections: TaskTracker, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(door.settings.connections_max));
    let router = Router::new().fallback(handle::<A>).with_state(Arc::clone(&door));
    let older = TaskTracker::new();
    let is_over = async {
        stop.cancelled().await;
        older.close();
        let _ = tokio::time::timeout(LAST_ANSWERS, older.wait()).await;
    };
    tokio::pin!(is_over);
    loop {
        let place = tokio::select! {
            () = &mut is_over => break,
            place = Arc::clone(&room).acquire_owned() => place,
        };
        // Nobody closes it.
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = &mut is_over => break,
            accepted = listener.socket.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, address, router.clone(), Arc::clone(&door), stop.clone());
        let open = Open::new(place);
        let connection = async move {
            connection.await;
            drop(open);
        };
        match stop.is_cancelled() {
            true => connections.spawn(connection),
            false => connections.spawn(older.track_future(connection)),
        };
    }
}

/// A connection's place under the cap, counted for as long as it is held.
struct Open(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Open {
    fn new(place: OwnedSemaphorePermit) -> Open {
        metrics::connection_opened();
        Open(place)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::connection_closed();
    }
}

/// Who is at the other end of a connection that came from `address`; `None` where that cannot be known.
async fn peer<A>(stream: &mut TcpStream, address: IpAddr, exchange: &Exchange, door: &Door<A>) -> Option<Peer> {
    let is_proxy = door.settings.trusted_proxies.contains(address);
    if !is_proxy || door.settings.forwarded_by != ForwardedBy::ProxyProtocol {
        return Some(Peer { address, is_proxy, exchange: exchange.clone() });
    }
    let header = tokio::time::timeout(door.settings.header_timeout, proxy_protocol::read(stream)).await;
    let client = match header.ok()? {
        Ok(Said::Source(client)) => client,
        Ok(Said::Nothing) => address,
        Err(error) => {
            if matches!(error, NoHeader::Invalid(_)) {
                metrics::refused(Path::Realtime.as_str(), Code::ProxyHeaderInvalid);
                door.silent_proxy.call_once(|| {
                    tracing::warn!(proxy = %address, %error, "a proxy's connection was closed (ingest.forwarded_by); this is said once");
                });
            }
            tracing::debug!(proxy = %address, %error, "connection ended");
            return None;
        }
    };
    Some(Peer { address: client, is_proxy: false, exchange: exchange.clone() })
}

/// Until a connection has had its time to begin a request, and is in the middle of none's head.
async fn last_call(stop: &CancellationToken, exchange: &Exchange) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
    while exchange.is_in_head() {
        tokio::time::sleep(LAST_CALL / 10).await;
    }
}

async fn connection<A: Accept>(
    mut stream: TcpStream,
    address: SocketAddr,
    router: Router,
    door: Arc<Door<A>>,
    stop: CancellationToken,
) {
    // An answer is one small write: it must not wait for the next.
    let _ = stream.set_nodelay(true);
    let exchange = Exchange::default();
    let peer = tokio::select! {
        // A stop that came between the accept and this line takes nobody's turn away.
        biased;
        peer = peer(&mut stream, address.ip().to_canonical(), &exchange, &door) => peer,
        () = last_call(&stop, &exchange) => None,
    };
    let Some(peer) = peer else { return };
    let stream = Patience::new(stream, exchange.clone(), door.settings.idle_timeout, door.settings.header_timeout);
    let with_peer = move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(axum::body::Body::new)
    };
    // Who keeps a connection shall find the next process, or the next gateway, with its next request.
    let is_leaving = door.leaving.clone();
    let with_farewell = move |mut response: axum::response::Response| {
        if is_leaving.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    };
    let service = TowerToHyperService::new(router.map_request(with_peer).map_response(with_farewell));
    let mut builder = hyper::server::conn::http1::Builder::new();
    // A box that hangs up after its last byte has sent an event all the same: without this its end of the connection ends the handler.
    builder.half_close(true);
    builder.max_headers(HEADERS_MAX).max_header_size(HEAD_MAX_BYTES).max_buf_size(READ_MAX_BYTES).header_read_timeout(None);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        // hyper closes at once what it has read nothing of, even if a request lies in the kernel.
        () = last_call(&stop, &exchange) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // What hyper refuses by itself, it answers without a body.
        if error.is_parse_too_large() {
            metrics::refused(Path::Realtime.as_str(), Code::HeadersTooLarge);
        } else if error.is_parse() {
            metrics::refused(Path::Realtime.as_str(), Code::RequestInvalid);
        }
        tracing::debug!(peer = %address.ip(), %error, "connection ended");
    }
}
