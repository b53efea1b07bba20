//! The accept loop: accepts every connection, then decides which get a place. Its end lets the last answers out.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::places::{Place, Places};
use super::waiting_line::{Waiting, WaitingLine};
use boxbridge_connect::tls::Encryption;
use boxbridge_event::ShareKey;

/// The pause after an accept that failed for want of descriptors or memory: other connections must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the waiting line looks for connections that have been silent for long enough.
const LINE_LOOK: Duration = Duration::from_millis(50);
/// After the stop, an open connection has this long to begin a request.
const LAST_CALL: Duration = Duration::from_millis(100);
/// After the stop, requests that began before it have this long: no box waits longer for its answer.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// The longest time that [`serve`] needs to end. A slower body goes on until the process ends, but new boxes wait for the next process.
pub const STOP_MAX: Duration = LAST_CALL.saturating_add(LAST_ANSWERS);
/// The kernel's queue of connections not yet accepted: bursts wait there instead of being refused.
const BACKLOG: u32 = 4096;
/// How much of an unread answer the kernel keeps (it doubles this): a usual answer whole, but not megabytes for each of a thousand.
const SEND_BUFFER: usize = 32 * 1024;

/// A bound port that does not accept yet.
pub struct Listener {
    socket: TcpListener,
    encryption: Encryption,
}

impl Listener {
    /// Binds `address`. `[::]` means every address, IPv4 included; on a kernel without IPv6 it means all of IPv4.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let is_every = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let socket = match if address.is_ipv6() {
            TcpSocket::new_v6()
        } else {
            TcpSocket::new_v4()
        } {
            Err(error) if is_every && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
                return Listener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())));
            }
            socket => socket?,
        };

        if is_every {
            // Overrides net.ipv6.bindv6only.
            set_ipv6_v6only(&socket, false)?;
        }

        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Listener::of(socket.listen(BACKLOG)?)
    }

    /// Takes over a socket that is bound already, with the connections that wait in it.
    pub fn from_std(socket: std::net::TcpListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        Listener::of(TcpListener::from_std(socket)?)
    }

    fn of(socket: TcpListener) -> io::Result<Listener> {
        // Accepted connections inherit it.
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
        Ok(Listener {
            socket,
            encryption: Encryption::default(),
        })
    }

    /// The same over TLS, whenever `encryption` says how.
    pub fn encrypted(self, encryption: Encryption) -> Listener {
        Listener { encryption, ..self }
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

/// A new connection with its place.
pub struct NewConnection {
    pub stream: TcpStream,
    /// How the port speaks TLS, if it does.
    pub encryption: Encryption,
    pub address: SocketAddr,
    pub activity: Activity,
    pub place: Place,
}

impl NewConnection {
    fn of(waiting: Waiting, place: Place, encryption: Encryption) -> NewConnection {
        let Waiting {
            stream,
            address,
            activity,
            ..
        } = waiting;
        NewConnection {
            stream,
            encryption,
            address,
            activity,
            place,
        }
    }
}

/// Serves the connections of a port.
pub trait Port: Send + Sync + 'static {
    fn places(&self) -> &Arc<Places>;

    /// The source whose share a connection from `address` takes; `None` if it takes nobody's.
    fn source(&self, address: IpAddr) -> Option<ShareKey>;

    /// Serves one connection to its end.
    fn serve(
        self: Arc<Self>,
        connection: NewConnection,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send;

    /// A connection finds no place, not even in the waiting line: what it is answered, in the clear.
    fn turn_away(&self, address: IpAddr) -> &'static str;
}

/// Accepts until `stop`, and goes on until the connections from before it have their answers, for up to `LAST_ANSWERS`. All run in
/// `connections`. After the stop they end with their next answer, or when they are idle.
pub async fn serve<P: Port>(
    listener: &Listener,
    port: Arc<P>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::clone(port.places());
    let mut door = Door {
        encryption: listener.encryption.clone(),
        line: WaitingLine::new(Arc::clone(&places), places.line_max()),
        port,
        connections,
        before_stop: TaskTracker::new(),
        stop,
    };
    let mut failing = Failing::default();
    let is_over = is_over(door.stop.clone(), door.before_stop.clone());
    tokio::pin!(is_over);

    loop {
        let accepted = tokio::select! {
            () = &mut is_over => break,
            accepted = listener.socket.accept() => Some(accepted),
            () = places.freed(), if !door.line.is_empty() => None,
            () = tokio::time::sleep(LINE_LOOK), if !door.line.is_empty() => None,
        };

        match accepted {
            Some(Ok((stream, address))) => {
                failing.over();
                door.line_up(stream, address);
            }
            Some(Err(error)) => {
                failing.again(&error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None => {}
        }
        door.let_in();
    }
}

/// Resolves some time after the stop, when the connections from before it have their answers.
async fn is_over(stop: CancellationToken, before_stop: TaskTracker) {
    stop.cancelled().await;
    before_stop.close();
    let _ = tokio::time::timeout(LAST_ANSWERS, before_stop.wait()).await;
}

/// Lets accepted connections in, one for each place.
struct Door<P> {
    port: Arc<P>,
    encryption: Encryption,
    line: WaitingLine,
    connections: TaskTracker,
    /// The connections that came before the stop.
    before_stop: TaskTracker,
    stop: CancellationToken,
}

impl<P: Port> Door<P> {
    fn line_up(&mut self, stream: TcpStream, address: SocketAddr) {
        let source = self.port.source(address.ip().to_canonical());
        let left = self.line.push(Waiting::new(stream, address, source));
        left.into_iter().for_each(|waiting| self.turn_away(waiting));
    }

    fn let_in(&mut self) {
        while let Some((waiting, place)) = self.line.next() {
            let connection = NewConnection::of(waiting, place, self.encryption.clone());
            let serving = Arc::clone(&self.port).serve(connection, self.stop.clone());
            match self.stop.is_cancelled() {
                true => self.connections.spawn(serving),
                false => self
                    .connections
                    .spawn(self.before_stop.track_future(serving)),
            };
        }

        for waiting in self.line.expired() {
            self.turn_away(waiting);
        }
    }

    fn turn_away(&self, waiting: Waiting) {
        let answer = self.port.turn_away(waiting.address.ip());
        // No words without a handshake, which is work that nobody asked for.
        if self.encryption.now().is_none() {
            say_and_close(waiting.stream, answer);
        }
    }
}

/// Writes `answer` if the kernel takes it at once, and closes.
fn say_and_close(stream: TcpStream, answer: &str) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Counts accepts that fail one after the other. The first failure and the recovery are logged.
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

/// Waits for `stop`, then until the connection has had its time to begin a request and is not in the middle of a head.
pub async fn last_call(stop: &CancellationToken, activity: &Activity) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_CALL).await;
    while activity.is_in_head() {
        tokio::time::sleep(LAST_CALL / 10).await;
    }
}
