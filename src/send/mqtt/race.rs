//! A broker's name → the address that answers: RFC 8305, in short.
//!
//! Promises: a silent address costs [`STAGGER`] and not the connection; an error names every address that was tried, and what each did. The address
//! behind which no broker answered last time comes last. Bounded in addresses, and in time by the caller's deadline.

use std::net::SocketAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use boxbridge_config::Broker;

/// Before the next address is tried beside those that have not answered yet (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// More than any broker needs; a name with more has its first ones tried.
const ADDRESSES_MAX: usize = 8;

/// Where a broker is.
pub(super) struct Addresses {
    host: String,
    port: u16,
    /// Used instead of the name's own addresses.
    fixed: Option<Vec<SocketAddr>>,
    /// It took a connection, and then no broker answered.
    doubtful: Mutex<Option<SocketAddr>>,
}

impl Addresses {
    pub(super) fn of(broker: &Broker) -> Addresses {
        Addresses {
            host: broker.host.clone(),
            port: broker.port,
            fixed: None,
            doubtful: Mutex::default(),
        }
    }

    pub(super) fn fixed(broker: &Broker, addresses: Vec<SocketAddr>) -> Addresses {
        Addresses {
            fixed: Some(addresses),
            ..Addresses::of(broker)
        }
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// All of them, in the order in which they are to be tried; never none.
    pub(super) async fn find(&self, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let mut found = match &self.fixed {
            Some(fixed) => fixed.clone(),
            None => self.look_up(deadline).await?,
        };
        let mut seen = std::collections::HashSet::new();
        found.retain(|address| seen.insert(*address));
        if found.is_empty() {
            return Err(format!("{} has no address", self.host));
        }

        let mut ordered = interleaved(&found);
        let doubtful = *self.doubtful.lock();
        // Stable: all others stay in their order.
        ordered.sort_by_key(|address| Some(*address) == doubtful);
        ordered.truncate(ADDRESSES_MAX);
        Ok(ordered)
    }

    async fn look_up(&self, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let host = self.host.as_str();
        timeout_at(deadline, lookup_host((host, self.port)))
            .await
            .map_err(|_| format!("no answer to the look-up of {host}"))?
            .map(Iterator::collect)
            .map_err(|error| format!("{host} has no address: {error}"))
    }

    /// Whether a broker answered at this address, behind the connection.
    pub(super) fn answered(&self, address: SocketAddr, has_answered: bool) {
        let mut doubtful = self.doubtful.lock();
        match has_answered {
            false => *doubtful = Some(address),
            true if *doubtful == Some(address) => *doubtful = None,
            true => {}
        }
    }
}

/// The families in turn, beginning with that of the first: where one family leads nowhere, the other is tried second.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first();
    let is_first_family =
        |address: &SocketAddr| first.is_some_and(|first| first.is_ipv4() == address.is_ipv4());
    let (ours, others): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(is_first_family);

    let mut others = others.into_iter();
    let mut ordered = Vec::with_capacity(addresses.len());
    for address in ours {
        ordered.push(address);
        ordered.extend(others.next());
    }
    ordered.extend(others);
    ordered
}

/// The first address that takes a connection; or an error that says how each of them failed.
pub(super) async fn race(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(SocketAddr, TcpStream), String> {
    let mut waiting = addresses.iter().copied();
    let mut silent = Vec::new();
    let mut failed = Vec::new();
    let mut attempts = JoinSet::new();

    loop {
        if let Some(address) = waiting.next() {
            silent.push(address);
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        if attempts.is_empty() {
            break;
        }

        tokio::select! {
            Some(Ok((address, connected))) = attempts.join_next() => match connected {
                Ok(stream) => return Ok((address, stream)),
                Err(error) => {
                    silent.retain(|silent| *silent != address);
                    failed.push(format!("{address}: {error}"));
                }
            },
            () = sleep(STAGGER), if waiting.len() > 0 => {}
            () = sleep_until(deadline) => break,
        }
    }

    failed.extend(silent.iter().map(|address| format!("{address}: silent")));
    Err(failed.join(", "))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    /// Long enough for a busy machine.
    const LONG: Duration = Duration::from_secs(20);

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    fn broker(host: &str) -> Broker {
        Broker::parse(&format!("mqtt://{host}:1883")).unwrap()
    }

    /// An address whose backlog is full: the kernel drops further connections, as a black hole does.
    async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut kept = Vec::new();
        while let Ok(Ok(stream)) = timeout(STAGGER, TcpStream::connect(address)).await {
            kept.push(stream);
            assert!(kept.len() < 100, "its backlog is never full");
        }
        (address, listener, kept)
    }

    async fn refusing() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap()
            .local_addr()
            .unwrap()
    }

    #[tokio::test]
    async fn a_silent_address_does_not_keep_from_the_next() {
        let (silent, _listener, _kept) = black_hole().await;
        let (refusing, open) = (
            refusing().await,
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
        );
        let open_address = open.local_addr().unwrap();

        for order in [
            vec![silent, open_address],
            vec![silent, refusing, silent, open_address],
            vec![open_address, silent],
        ] {
            let (won, stream) = race(&order, Instant::now() + LONG).await.unwrap();
            assert_eq!(
                (won, stream.peer_addr().unwrap()),
                (open_address, open_address)
            );
        }
    }

    #[tokio::test]
    async fn what_each_address_did_is_said() {
        let (silent, _listener, _kept) = black_hole().await;
        let refusing = refusing().await;
        let error = race(&[silent, refusing], Instant::now() + STAGGER * 4)
            .await
            .unwrap_err();
        assert!(
            error.contains(&format!("{silent}: silent"))
                && error.contains(&format!("{refusing}: ")),
            "{error}"
        );
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn families_take_turns_and_the_doubtful_comes_last() {
        let given = addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::1]:1",
            "[::3]:1",
            "127.0.0.1:1",
            "127.0.0.2:1",
        ]);
        let found = Addresses::fixed(&broker("b"), given);
        let order = addresses(&[
            "[::1]:1",
            "127.0.0.1:1",
            "[::2]:1",
            "127.0.0.2:1",
            "[::3]:1",
        ]);
        assert_eq!(found.find(Instant::now() + LONG).await, Ok(order.clone()));

        found.answered(order[0], false);
        assert_eq!(
            found.find(Instant::now() + LONG).await.unwrap().last(),
            Some(&order[0])
        );
        found.answered(order[0], true);
        assert_eq!(found.find(Instant::now() + LONG).await, Ok(order));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_said() {
        let error = Addresses::of(&broker("no-such-name.invalid"))
            .find(Instant::now() + LONG)
            .await
            .unwrap_err();
        assert!(
            error.starts_with("no-such-name.invalid has no address: "),
            "{error}"
        );
        let found = Addresses::of(&broker("[::1]"))
            .find(Instant::now() + LONG)
            .await;
        assert_eq!(found, Ok(addresses(&["[::1]:1883"])));
    }
}
