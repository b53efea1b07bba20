//! The accept loop: always accepts, then decides who gets a place; and an end that lets the last answers out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exchange::Exchange;
use super::line::{Line, Waiting};
use super::places::{Place, Places};
use crate::event::Sharer;

/// After an accept that failed for want of descriptors or memory: others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often those in line look whether somebody has been silent for long enough.
const LINE_LOOK: Duration = Duration::from_millis(50);
/// From the stop on, for a request to begin over a connection that is there.
const LAST_CALL: Duration = Duration::from_millis(100);
/// From the stop on, for requests that have begun before it: no box waits longer for its answer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// The longest that [`serve`] needs to end. A body that is still on its way then lives until the process ends: others wait for the next.
pub const STOP_MAX: Duration = LAST_CALL.saturating_add(LAST_ANSWERS);
/// The kernel's queue of connections not yet accepted: bursts wait there instead of being refused.
const BACKLOG: u32 = 4096;
/// What the kernel keeps of answers that are not read (it doubles it): a usual one whole, and not megabytes of each of a thousand.
const SEND_BUFFER: usize = 32 * 1024;

/// A bound port that does not accept yet.
pub struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// On `address`. `[::]` is every address there is: of IPv4 as well, and of IPv4 alone where the kernel has nothing else.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let is_every = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let socket = match if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() } {
            Err(error) if is_every && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
                return Listener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
            }
            socket => socket?,
        };
        if is_every {
            // Whatever net.ipv6.bindv6only says.
            set_ipv6_v6only(&socket, false)?;
        }
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Listener::of(socket.listen(BACKLOG)?)
    }

    /// One that is bound already, with whoever has connected to it since.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Listener::of(TcpListener::from_std(socket)?)
    }

    fn of(socket: TcpListener) -> io::Result<Listener> {
        // Its connections inherit it.
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
        Ok(Listener { socket })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An accepted connection with its place.
pub struct Arrival {
    pub stream: TcpStream,
    pub address: SocketAddr,
    pub exchange: Exchange,
    pub place: Place,
}

/// What is behind a port.
pub trait Port: Send + Sync + 'static {
    fn places(&self) -> &Arc<Places>;

    /// Whose share a connection from `address` takes; `None` if nobody's.
    fn source(&self, address: IpAddr) -> Option<Sharer>;

    /// Serves one connection to its end.
    fn serve(self: Arc<Self>, arrival: Arrival, stop: CancellationToken) -> impl Future<Output = ()> + Send;

    /// There is no place for this one, not even in line.
    fn turn_away(&self, stream: TcpStream, address: IpAddr);
}

/// Accepts until `stop`, and on until those who were there by then have their answers: nobody waits for a slow one. Connections live in
/// `connections`, and end with their next answer, or when they have nothing to say. As many as half the places may wait for one.
pub async fn serve<P: Port>(listener: &Listener, port: Arc<P>, connections: TaskTracker, stop: CancellationToken) {
    let mut line = Line::new(Arc::clone(port.places()), port.places().line_max());
    let mut failing = Failing::default();
    let older = TaskTracker::new();
    let is_over = async {
        stop.cancelled().await;
        older.close();
        let _ = tokio::time::timeout(LAST_ANSWERS, older.wait()).await;
    };
    tokio::pin!(is_over);
    loop {
        let accepted = tokio::select! {
            () = &mut is_over => break,
            accepted = listener.socket.accept() => Some(accepted),
            () = port.places().freed(), if !line.is_empty() => None,
            () = tokio::time::sleep(LINE_LOOK), if !line.is_empty() => None,
        };
        match accepted {
            Some(Ok((stream, address))) => {
                failing.over();
                let source = port.source(address.ip().to_canonical());
                let left = line.push(Waiting::new(stream, address, source));
                left.into_iter().for_each(|waiting| port.turn_away(waiting.stream, waiting.address.ip()));
            }
            Some(Err(error)) => {
                failing.again(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => {}
        }
        while let Some((Waiting { stream, address, exchange, .. }, place)) = line.next() {
            let arrival = Arrival { stream, address, exchange, place };
            let connection = Arc::clone(&port).serve(arrival, stop.clone());
            match stop.is_cancelled() {
                true => connections.spawn(connection),
                false => connections.spawn(older.track_future(connection)),
            };
        }
        for waiting in line.expired() {
            port.turn_away(waiting.stream, waiting.address.ip());
        }
    }
}

/// Accepts that fail one after the other: the first and the last are said.
#[derive(Default)]
struct Failing(u64);

impl Failing {
    fn again(&mut self, error: &io::Error) {
        if self.0 == 0 {
            tracing::warn!(%error, "no connection can be accepted now; they wait, and it is tried again");
        }
        self.0 += 1;
    }

    fn over(&mut self) {
        let failed = std::mem::take(&mut self.0);
        if failed > 0 {
            tracing::info!(failed, "connections are accepted again");
        }
    }
}

/// Until a connection has had its time to begin a request, and is in the middle of none's head.
pub async fn last_call(stop: &CancellationToken, exchange: &Exchange) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
    while exchange.is_in_head() {
        tokio::time::sleep(LAST_CALL / 10).await;
    }
}
