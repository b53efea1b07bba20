//! Which session ends where all subscriptions are taken, or too many sessions are offline.
//!
//! Promises: an offline session goes first. The address that holds most gives way to one that holds less, never the other way round.

use std::collections::HashMap;

use super::super::fair_share::greediest;
use super::session::Session;
use boxbridge_event::ShareKey;

/// The client whose session ends, so that a client at this address may subscribe to one more filter: an offline session of the same
/// address, or one of the address with most subscriptions, if that one has more than this even then. `None` where there is no such session.
pub(super) fn session_for_a_subscription(
    sessions: &HashMap<String, Session>,
    from: ShareKey,
) -> Option<String> {
    let holders = sessions
        .values()
        .map(|session| (session.from, session.subscriptions.len()));
    let greediest = greediest(holders)?;
    let (most, own) = (held(sessions, greediest), held(sessions, from));

    let may_end = |session: &Session| {
        let is_own_offline = session.from == from && session.connection.is_none();
        // It still has more than the other then, so that the two do not take turns in ending each other's sessions.
        let is_greedy = session.from == greediest && most - session.subscriptions.len() > own;
        !session.subscriptions.is_empty() && (is_own_offline || is_greedy)
    };
    let others_offline_longest = |session: &Session| {
        let is_own = session.from == from;
        (is_own, session.connection.is_some(), session.since)
    };

    let candidates = sessions.iter().filter(|(_, session)| may_end(session));
    let first = candidates.min_by_key(|(_, session)| others_offline_longest(session));
    first.map(|(client_id, _)| client_id.clone())
}

/// The subscriptions of this address.
fn held(sessions: &HashMap<String, Session>, address: ShareKey) -> usize {
    sessions
        .values()
        .filter(|session| session.from == address)
        .map(|session| session.subscriptions.len())
        .sum()
}

/// The client whose offline session ends, where there are too many: of the address with most of them, the one that left first.
pub(super) fn offline_session(sessions: &HashMap<String, Session>) -> Option<String> {
    let offline = || {
        sessions
            .iter()
            .filter(|(_, session)| session.connection.is_none())
    };
    let greediest = greediest(offline().map(|(_, session)| (session.from, 1)))?;

    let first = offline()
        .filter(|(_, session)| session.from == greediest)
        .min_by_key(|(_, session)| session.since);
    first.map(|(client_id, _)| client_id.clone())
}
