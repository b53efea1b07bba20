//! How many connections there are, and which one is closed so that another finds a slot.
//!
//! Promises: no more connections than there are slots; the gateway itself always finds one; a silent connection makes room for the next. Where
//! all slots are taken, the address with most of them gives one up.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::fair_share::greediest;
use super::packet::reason;
use super::users::User;
use boxbridge_event::ShareKey;

/// Clients at a time: the screens and gates of a large site. Each may have its whole queue waiting.
const CLIENTS_MAX: usize = 512;
/// Beside them: the gateway's own connections and those that have not said CONNECT yet.
const OTHERS: std::ops::RangeInclusive<usize> = 4..=32;

/// Tells a connection to close, and why.
#[derive(Debug, Default)]
pub(super) struct CloseSignal {
    token: CancellationToken,
    reason: AtomicU8,
}

impl CloseSignal {
    pub fn close(&self, reason: u8) {
        self.reason.store(reason, Ordering::Relaxed);
        self.token.cancel();
    }

    /// Returns the reason once the connection is to close.
    pub async fn closed(&self) -> u8 {
        self.token.cancelled().await;
        self.reason.load(Ordering::Relaxed)
    }
}

pub(super) struct Admission {
    clients_max: usize,
    /// Twice as many while those that were told to close have not closed yet.
    others_max: usize,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    /// In the order they came.
    all: Vec<Connection>,
    last_number: u64,
}

struct Connection {
    number: u64,
    from: ShareKey,
    state: State,
    /// Whom a client proved to be.
    user: Option<User>,
    closing: Arc<CloseSignal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Client,
    Gateway,
    /// Was told to close.
    Closing,
}

impl Connection {
    fn is_client(&self) -> bool {
        self.state == State::Client
    }

    /// It has not said CONNECT, or was told to close.
    fn has_no_role(&self) -> bool {
        matches!(self.state, State::Connecting | State::Closing)
    }
}

/// A slot; given back when it is dropped.
pub(super) struct Slot {
    pub number: u64,
    pub closing: Arc<CloseSignal>,
    admission: Arc<Admission>,
}

impl Admission {
    /// With so many slots in all.
    pub fn new(slots: usize) -> Admission {
        let others_max = (slots / 8).clamp(*OTHERS.start(), *OTHERS.end());
        let clients_max = slots.saturating_sub(2 * others_max).clamp(1, CLIENTS_MAX);
        Admission {
            clients_max,
            others_max,
            connections: Mutex::default(),
        }
    }

    /// `None` where even those that were told to close have not closed yet.
    pub fn admit(self: &Arc<Admission>, from: IpAddr) -> Option<Slot> {
        let from = ShareKey::of(from);
        let mut connections = self.connections.lock();
        if connections.others() >= self.others_max {
            connections.close_a_connecting(from);
            // The last slots are for addresses that do not open faster than they close.
            let own = connections.without_role(from);
            if connections.others() >= 2 * self.others_max || own >= self.others_max * 3 / 2 {
                return None;
            }
        }

        let (number, closing) = connections.add(from);
        Some(Slot {
            number,
            closing,
            admission: Arc::clone(self),
        })
    }

    /// Closes the clients that may not be there any more.
    pub fn close_clients(&self, are_over: impl Fn(Option<&User>) -> bool) {
        let mut connections = self.connections.lock();
        let clients = connections.all.iter_mut().filter(|it| it.is_client());
        for client in clients.filter(|client| are_over(client.user.as_ref())) {
            client.state = State::Closing;
            client.closing.close(reason::NOT_AUTHORISED);
        }
    }

    /// Returns once all connections are closed, but for the gateway's own.
    pub async fn are_closed(&self) {
        let is_open = |connection: &Connection| connection.state != State::Gateway;
        while self.connections.lock().count(is_open) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Connections {
    fn add(&mut self, from: ShareKey) -> (u64, Arc<CloseSignal>) {
        self.last_number += 1;
        let (number, closing) = (self.last_number, Arc::<CloseSignal>::default());
        self.all.push(Connection {
            number,
            from,
            state: State::Connecting,
            user: None,
            closing: Arc::clone(&closing),
        });
        (number, closing)
    }

    /// All but clients.
    fn others(&self) -> usize {
        self.count(|connection| connection.state != State::Client)
    }

    fn without_role(&self, from: ShareKey) -> usize {
        self.count(|connection| connection.has_no_role() && connection.from == from)
    }

    fn clients(&self, from: ShareKey) -> usize {
        self.count(|connection| connection.is_client() && connection.from == from)
    }

    fn count(&self, which: impl Fn(&Connection) -> bool) -> usize {
        self.all
            .iter()
            .filter(|connection| which(connection))
            .count()
    }

    /// Of the connections without a CONNECT, closes the oldest of the address with most of them, where one more comes from `comes_from`. Those
    /// that were told to close and have not yet are counted, so that no other address pays for them.
    fn close_a_connecting(&mut self, comes_from: ShareKey) {
        let without_role = self
            .all
            .iter()
            .filter(|connection| connection.has_no_role())
            .map(|connection| (connection.from, 1));
        let greediest = greediest(without_role.chain([(comes_from, 1)]));
        self.close_first(
            |connection| {
                connection.state == State::Connecting && Some(connection.from) == greediest
            },
            reason::SILENT,
        );
    }

    /// Closes the oldest of these.
    fn close_first(&mut self, which: impl Fn(&Connection) -> bool, reason: u8) {
        if let Some(connection) = self.all.iter_mut().find(|connection| which(connection)) {
            connection.state = State::Closing;
            connection.closing.close(reason);
        }
    }

    /// Whether a client at this address finds a slot, or gets one that another address has too many of.
    fn has_room_for(&mut self, from: ShareKey, clients_max: usize) -> bool {
        if self.count(Connection::is_client) < clients_max {
            return true;
        }

        let clients = self.all.iter().filter(|connection| connection.is_client());
        let Some(greediest) = greediest(clients.map(|client| (client.from, 1))) else {
            return false;
        };
        if self.clients(greediest) <= self.clients(from) + 1 {
            return false;
        }

        let is_its_own =
            |connection: &Connection| connection.is_client() && connection.from == greediest;
        self.close_first(is_its_own, reason::QUOTA);
        true
    }

    fn set_state(&mut self, number: u64, state: State) {
        self.all
            .iter_mut()
            .filter(|connection| connection.number == number)
            .for_each(|connection| connection.state = state);
    }
}

impl Slot {
    /// It said CONNECT: whether there is a slot for one more client.
    pub fn becomes_client(&self, user: Option<User>) -> bool {
        let mut connections = self.admission.connections.lock();
        let mut all = connections.all.iter();
        let Some(own) = all.find(|connection| connection.number == self.number) else {
            return false;
        };
        let from = own.from;

        let has_room = connections.has_room_for(from, self.admission.clients_max);
        if has_room {
            connections.set_state(self.number, State::Client);
            let mut all = connections.all.iter_mut();
            let own = all.find(|connection| connection.number == self.number);
            own.into_iter().for_each(|own| own.user = user.clone());
        }
        has_room
    }

    /// The name of the user that its client proved to be, where it had to.
    pub fn user(&self) -> Option<String> {
        let connections = self.admission.connections.lock();
        let mut all = connections.all.iter();
        let own = all.find(|connection| connection.number == self.number)?;
        own.user.as_ref().map(|user| user.name.clone())
    }

    pub fn becomes_gateway(&self) {
        self.admission
            .connections
            .lock()
            .set_state(self.number, State::Gateway);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut connections = self.admission.connections.lock();
        connections
            .all
            .retain(|connection| connection.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SLOTS: usize = 100;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn is_closed(slot: &Slot) -> bool {
        slot.closing.token.is_cancelled()
    }

    #[test]
    fn the_silent_make_room_for_the_next_and_the_gateway_stays() {
        let admission = Arc::new(Admission::new(SLOTS));
        let gateway = admission.admit(address(1)).expect("a slot");
        gateway.becomes_gateway();
        let silent: Vec<_> = (0..admission.others_max)
            .map(|_| admission.admit(address(1)).expect("a slot"))
            .collect();
        assert!(is_closed(&silent[0]) && !is_closed(&silent[1]) && !is_closed(&gateway));
        // Those that were told and do not close are bounded.
        let more = (0..1_000)
            .map_while(|_| admission.admit(address(1)))
            .collect::<Vec<_>>();
        assert!(more.len() + silent.len() < 2 * admission.others_max);
    }

    #[test]
    fn a_flood_that_says_nothing_closes_its_own_and_leaves_slots_to_others() {
        let admission = Arc::new(Admission::new(SLOTS));
        let slow = admission.admit(address(2)).expect("a slot");
        // They are told to close, and do not.
        let flood: Vec<_> = (0..1_000)
            .map_while(|_| admission.admit(address(1)))
            .collect();
        assert!(flood.len() > admission.others_max && !is_closed(&slow));
        let other = admission.admit(address(3)).expect("a slot beside them");
        assert!(!is_closed(&slow) && !is_closed(&other));
    }

    #[test]
    fn the_address_with_most_slots_gives_one_up_and_a_slot_is_given_back() {
        let admission = Arc::new(Admission::new(SLOTS));
        let admit = |last: u8| {
            admission
                .admit(address(last))
                .filter(|slot| slot.becomes_client(None))
        };
        let mut many: Vec<_> = (0..admission.clients_max)
            .map(|_| admit(1).expect("a slot"))
            .collect();
        assert!(admit(1).is_none(), "the same address has enough");
        let other = admit(2).expect("another's slot");
        assert!(is_closed(&many[0]) && !is_closed(&many[1]) && !is_closed(&other));
        many.truncate(admission.clients_max / 2);
        assert!(admit(1).is_some());
    }
}
