//! Who holds most, by address, and whose session ends so that another address finds room.
//!
//! Promises: a share binds only once a total is exhausted, so a site behind one address has all of it while nobody else wants any. Then what
//! is abandoned goes first, and the address that holds most gives way to one that holds less, never the other way round.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use super::session::Session;

/// The address with most of what these hold; among several with as much, the one that comes first.
pub(super) fn greediest(holders: impl IntoIterator<Item = (IpAddr, usize)>) -> Option<IpAddr> {
    let mut shares: HashMap<IpAddr, (usize, usize)> = HashMap::new();
    for (place, (address, count)) in holders.into_iter().enumerate() {
        shares.entry(address).or_insert((place, 0)).1 += count;
    }
    let most = shares.into_iter().max_by_key(|(_, (place, count))| (*count, Reverse(*place)));
    most.map(|(address, _)| address)
}

/// The client whose session ends, so that this one may subscribe to something more: an abandoned one of its own address, or one of the
/// address with most subscriptions, if that one has more than this even then. `None` where that is nobody.
pub(super) fn gives_subscriptions(sessions: &HashMap<String, Session>, from: IpAddr) -> Option<String> {
    let of = |address: IpAddr| -> usize {
        sessions.values().filter(|session| session.from == address).map(|session| session.wants.len()).sum()
    };
    let greediest = greediest(sessions.values().map(|session| (session.from, session.wants.len())))?;
    let (most, own) = (of(greediest), of(from));

    let may_end = |session: &Session| {
        let is_own = session.from == from && session.line.is_none();
        // It still has more than the other then, so that the two do not take turns in ending each other's sessions.
        let is_greedy = session.from == greediest && most - session.wants.len() > own;
        !session.wants.is_empty() && (is_own || is_greedy)
    };
    let candidates = sessions.iter().filter(|(_, session)| may_end(session));
    let first = candidates.min_by_key(|(_, session)| (session.from == from, session.line.is_some(), session.since));
    first.map(|(client_id, _)| client_id.clone())
}

/// The client whose session is kept no longer, where too many are kept: of the address with most of them the one that left first.
pub(super) fn gives_kept(sessions: &HashMap<String, Session>) -> Option<String> {
    let kept = || sessions.iter().filter(|(_, session)| session.line.is_none());
    let greediest = greediest(kept().map(|(_, session)| (session.from, 1)))?;
    let first = kept().filter(|(_, session)| session.from == greediest).min_by_key(|(_, session)| session.since);
    first.map(|(client_id, _)| client_id.clone())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    #[test]
    fn the_greediest_is_who_holds_most_in_all_and_the_first_of_several() {
        assert_eq!(greediest([]), None);
        assert_eq!(greediest([(address(1), 3), (address(2), 2), (address(2), 2)]), Some(address(2)));
        assert_eq!(greediest([(address(2), 1), (address(1), 1), (address(3), 1)]), Some(address(2)));
    }
}
