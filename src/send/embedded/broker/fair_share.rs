//! Which address holds most of something that is all taken.
//!
//! Promises: a share binds only once a total is exhausted: a site behind one address has all of it while nobody else wants any. Deliberately
//! ends nothing itself: `admission` closes connections, `sessions` ends sessions.

use std::cmp::Reverse;
use std::collections::HashMap;

use boxbridge_event::ShareKey;

/// The address that holds most; among several with as much, the one that comes first.
pub(super) fn greediest(holders: impl IntoIterator<Item = (ShareKey, usize)>) -> Option<ShareKey> {
    let mut shares: HashMap<ShareKey, (usize, usize)> = HashMap::new();
    for (position, (address, count)) in holders.into_iter().enumerate() {
        shares.entry(address).or_insert((position, 0)).1 += count;
    }

    let most = shares
        .into_iter()
        .max_by_key(|(_, (position, count))| (*count, Reverse(*position)));
    most.map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ShareKey {
        ShareKey::of([192, 0, 2, last].into())
    }

    #[test]
    fn the_greediest_is_who_holds_most_in_all_and_the_first_of_several() {
        assert_eq!(greediest([]), None);
        assert_eq!(
            greediest([(address(1), 3), (address(2), 2), (address(2), 2)]),
            Some(address(2))
        );
        assert_eq!(
            greediest([(address(2), 1), (address(1), 1), (address(3), 1)]),
            Some(address(2))
        );
    }
}
