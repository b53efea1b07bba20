//! Who is connected, and who has to leave so that others find a place.
//!
//! Promises: no more connections than there are places; the gateway itself always finds one; whoever connects and says nothing makes room
//! for the next. Where all places are taken, the address with most of them gives one up.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::reply::reason;
use crate::event::Sharer;

/// Clients at a time: the screens and gates of a large site. Each may have its whole queue waiting.
const CLIENTS_MAX: usize = 512;
/// Beside them: the gateway's own connections and those that have not said CONNECT yet.
const OTHERS: std::ops::RangeInclusive<usize> = 4..=32;

/// The word that ends a connection, and why.
#[derive(Debug, Default)]
pub(super) struct Ending {
    token: CancellationToken,
    reason: AtomicU8,
}

impl Ending {
    pub fn end(&self, reason: u8) {
        self.reason.store(reason, Ordering::Relaxed);
        self.token.cancel();
    }

    /// Returns the reason once it is to end.
    pub async fn ended(&self) -> u8 {
        self.token.cancelled().await;
        self.reason.load(Ordering::Relaxed)
    }
}

pub(super) struct Guests {
    clients_max: usize,
    /// Twice as many where those who were told to leave have not left yet.
    others_max: usize,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// In the order they came.
    guests: Vec<Guest>,
    last_number: u64,
}

struct Guest {
    number: u64,
    from: Sharer,
    standing: Standing,
    ending: Arc<Ending>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unnamed,
    Client,
    Gateway,
    /// Was told to leave.
    Leaving,
}

/// A place; given back when it is dropped.
pub(super) struct Place {
    pub number: u64,
    pub ending: Arc<Ending>,
    guests: Arc<Guests>,
}

impl Guests {
    /// With so many places in all.
    pub fn new(places: usize) -> Guests {
        let others_max = (places / 8).clamp(*OTHERS.start(), *OTHERS.end());
        let clients_max = places.saturating_sub(2 * others_max).clamp(1, CLIENTS_MAX);
        Guests { clients_max, others_max, list: Mutex::default() }
    }

    /// `None` where even those who must leave have not left yet.
    pub fn admit(self: &Arc<Guests>, from: IpAddr) -> Option<Place> {
        let mut list = self.lock();
        if list.count(|standing| standing != Standing::Client) >= self.others_max {
            list.dismiss(|guest| guest.standing == Standing::Unnamed, reason::SILENT);
            if list.count(|standing| standing != Standing::Client) >= 2 * self.others_max {
                return None;
            }
        }
        list.last_number += 1;
        let (number, ending) = (list.last_number, Arc::new(Ending::default()));
        let from = Sharer::of(from);
        list.guests.push(Guest { number, from, standing: Standing::Unnamed, ending: Arc::clone(&ending) });
        Some(Place { number, ending, guests: Arc::clone(self) })
    }

    /// Returns once all who were told to leave are gone, and all clients.
    pub async fn are_gone(&self) {
        while self.lock().count(|standing| standing != Standing::Gateway) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn count(&self, which: impl Fn(Standing) -> bool) -> usize {
        self.guests.iter().filter(|guest| which(guest.standing)).count()
    }

    /// The oldest of these leaves.
    fn dismiss(&mut self, which: impl Fn(&Guest) -> bool, reason: u8) {
        if let Some(guest) = self.guests.iter_mut().find(|guest| which(guest)) {
            guest.standing = Standing::Leaving;
            guest.ending.end(reason);
        }
    }

    /// A client from there finds a place, or one that another address has too many of.
    fn has_room_for(&mut self, from: Sharer, clients_max: usize) -> bool {
        if self.count(|standing| standing == Standing::Client) < clients_max {
            return true;
        }
        let clients: Vec<Sharer> =
            self.guests.iter().filter(|guest| guest.standing == Standing::Client).map(|guest| guest.from).collect();
        let of = |address: Sharer| clients.iter().filter(|from| **from == address).count();
        let Some(greediest) = clients.iter().copied().max_by_key(|address| of(*address)) else { return false };
        if of(greediest) <= of(from) + 1 {
            return false;
        }
        self.dismiss(|guest| guest.standing == Standing::Client && guest.from == greediest, reason::QUOTA);
        true
    }
}

impl Place {
    /// It said CONNECT: whether there is a place for one more client.
    pub fn is_client(&self) -> bool {
        let mut list = self.guests.lock();
        let Some(from) = list.guests.iter().find(|guest| guest.number == self.number).map(|guest| guest.from) else { return false };
        let has_room = list.has_room_for(from, self.guests.clients_max);
        if has_room {
            list.stands(self.number, Standing::Client);
        }
        has_room
    }

    pub fn is_gateway(&self) {
        self.guests.lock().stands(self.number, Standing::Gateway);
    }
}

impl List {
    fn stands(&mut self, number: u64, standing: Standing) {
        self.guests.iter_mut().filter(|guest| guest.number == number).for_each(|guest| guest.standing = standing);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.guests.lock().guests.retain(|guest| guest.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PLACES: usize = 100;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    fn is_dismissed(place: &Place) -> bool {
        place.ending.token.is_cancelled()
    }

    #[test]
    fn the_silent_make_room_for_the_next_and_the_gateway_stays() {
        let guests = Arc::new(Guests::new(PLACES));
        let gateway = guests.admit(address(1)).expect("a place");
        gateway.is_gateway();
        let silent: Vec<_> = (0..guests.others_max).map(|_| guests.admit(address(1)).expect("a place")).collect();
        assert!(is_dismissed(&silent[0]) && !is_dismissed(&silent[1]) && !is_dismissed(&gateway));
        // Those who were told and do not leave fill a bounded place.
        let more = (0..1_000).map_while(|_| guests.admit(address(1))).collect::<Vec<_>>();
        assert!(more.len() + silent.len() < 2 * guests.others_max);
    }

    #[test]
    fn the_address_with_most_places_gives_one_up_and_a_place_is_given_back() {
        let guests = Arc::new(Guests::new(PLACES));
        let admit = |last: u8| guests.admit(address(last)).filter(Place::is_client);
        let mut many: Vec<_> = (0..guests.clients_max).map(|_| admit(1).expect("a place")).collect();
        assert!(admit(1).is_none(), "the same address has enough");
        let other = admit(2).expect("another's place");
        assert!(is_dismissed(&many[0]) && !is_dismissed(&many[1]) && !is_dismissed(&other));
        many.truncate(guests.clients_max / 2);
        assert!(admit(1).is_some());
    }
}
