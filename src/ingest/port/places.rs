//! The places at a port: a limited number of connections, shared by source when they run out.
//!
//! Promises: while there are many free places, everyone gets one. The last eighth is for sources that have few, so a source that takes
//! all the others at once still keeps nobody out. Half of it is for those among them that have sent something before: somebody with many
//! addresses keeps no box out that was there before him. When others wait, the source with most connections is asked to end the one that has
//! been silent, or in the middle of a head, for longest. Trusted proxies stand for many sources: they have no share and are never asked.
//! Deliberately ends no connection itself: only its own reader knows whether its receive buffer is empty.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::activity::Activity;
use super::turns::{Turn, Turns};
use boxbridge_event::ShareKey;

mod known;

use known::KnownSources;

/// One in this many places is kept for sources that have few.
const LAST_PART: usize = 8;
/// What boxes and guards are given: none waits so long between connecting and its request.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Looking for those who may leave is a look at all: not for each of the thousands that may come in a second.
const ASK_EVERY: Duration = Duration::from_millis(10);

pub struct Places {
    most: usize,
    /// How many accept loops share them.
    doors: usize,
    /// Who waits for so long without a whole head gives way to others.
    patience: Duration,
    taken: Mutex<Taken>,
    freed: Notify,
    /// At what costs a core before anybody is let in.
    turns: Arc<Turns>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// By number, in the order in which they came.
    occupants: BTreeMap<u64, Occupant>,
    by_source: HashMap<ShareKey, usize>,
    known: KnownSources,
    /// When somebody was asked to leave last.
    asked: Option<Instant>,
}

struct Occupant {
    source: Option<ShareKey>,
    activity: Activity,
}

/// A connection's place. Dropping it gives it back.
pub struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    /// `doors` listeners share them. A connection that has waited for `patience` without a whole head gives way to others.
    pub fn new(most: usize, doors: usize, patience: Duration) -> Arc<Places> {
        Arc::new(Places {
            most,
            doors: doors.max(1),
            patience,
            taken: Mutex::default(),
            freed: Notify::new(),
            turns: Turns::of_this_machine(),
        })
    }

    /// How many connections may wait for a place at each listener.
    pub fn line_max(&self) -> usize {
        self.most.div_ceil(2 * self.doors)
    }

    /// Takes a place for a connection of `source`, if there is one for it.
    pub fn take(
        self: &Arc<Places>,
        source: Option<ShareKey>,
        activity: &Activity,
    ) -> Option<Place> {
        let mut taken = self.taken.lock();
        if !self.has_room(&taken, source) {
            return None;
        }

        let number = taken.next;
        taken.next += 1;
        taken.occupants.insert(
            number,
            Occupant {
                source,
                activity: activity.clone(),
            },
        );
        taken.count(source, 1);

        Some(Place {
            places: Arc::clone(self),
            number,
        })
    }

    /// In which order sources get places: those that are known, and of these the ones with fewest connections.
    pub fn rank(&self, source: Option<ShareKey>) -> (bool, usize) {
        let taken = self.taken.lock();
        (!taken.knows(source), taken.of(source))
    }

    /// Asks up to `count` connections to leave for one of `source`: those that have waited longest of the source with most connections,
    /// then of the next, down to sources with as many as `source`. Connections that were asked before count.
    pub fn ask_for(&self, source: Option<ShareKey>, count: usize) {
        let mut taken = self.taken.lock();
        if taken.asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return;
        }
        taken.asked = Some(Instant::now());
        let least = taken.of(source).max(1);

        let mut waiting = Vec::new();
        for occupant in taken.occupants.values() {
            let (Some(owner), Some(waits)) = (occupant.source, occupant.activity.waits_for())
            else {
                continue;
            };
            let owned = taken.of(Some(owner));
            if waits >= self.patience && owned >= least {
                waiting.push((owned, waits, &occupant.activity));
            }
        }

        waiting.sort_unstable_by_key(|(owned, waits, _)| std::cmp::Reverse((*owned, *waits)));
        waiting
            .iter()
            .take(count)
            .for_each(|(_, _, activity)| activity.ask_to_leave(self.patience));
    }

    /// These have sent something that was taken.
    pub fn know(&self, sources: impl IntoIterator<Item = ShareKey>) {
        let (mut taken, now) = (self.taken.lock(), Instant::now());
        for source in sources {
            taken.known.note(source, now);
        }
    }

    /// Resolves when a place may have become free since the last time.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn has_room(&self, taken: &Taken, source: Option<ShareKey>) -> bool {
        let last = self.most / LAST_PART;
        let few = (last / LAST_PART).max(1);
        let has_few = || source.is_none() || taken.of(source) < few;

        match taken.occupants.len() {
            count if count < self.most - last => true,
            count if count < self.most - last / 2 => has_few(),
            count if count < self.most => has_few() && taken.knows(source),
            _ => false,
        }
    }
}

impl Taken {
    /// A trusted proxy is known: who is behind it is not seen here.
    fn knows(&self, source: Option<ShareKey>) -> bool {
        source.is_none_or(|source| self.known.has(source))
    }

    fn of(&self, source: Option<ShareKey>) -> usize {
        source
            .and_then(|source| self.by_source.get(&source))
            .copied()
            .unwrap_or(0)
    }

    fn count(&mut self, source: Option<ShareKey>, change: isize) {
        let Some(source) = source else { return };
        let count = self
            .by_source
            .get(&source)
            .copied()
            .unwrap_or(0)
            .saturating_add_signed(change);

        if count == 0 {
            self.by_source.remove(&source);
        } else {
            self.by_source.insert(source, count);
        }
    }
}

impl Place {
    /// Waits for its source's turn.
    pub async fn turn(&self) -> Turn {
        let (source, is_known) = {
            let taken = self.places.taken.lock();
            let occupant = taken.occupants.get(&self.number);
            let source = occupant.and_then(|occupant| occupant.source);
            (source, taken.knows(source))
        };
        let source = source.unwrap_or(ShareKey::of(Ipv6Addr::UNSPECIFIED.into()));
        self.places.turns.take(source, is_known).await
    }

    /// Its source has sent something that was taken.
    pub fn remember(&self, source: ShareKey) {
        self.places.know([source]);
    }

    /// Notes whose connection it is, once its proxy or its token has said so.
    pub fn belongs_to(&self, source: ShareKey) {
        let mut taken = self.places.taken.lock();
        let Some(occupant) = taken.occupants.get_mut(&self.number) else {
            return;
        };
        let before = occupant.source.replace(source);
        if before == Some(source) {
            return;
        }
        taken.count(before, -1);
        taken.count(Some(source), 1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        let source = taken
            .occupants
            .remove(&self.number)
            .and_then(|occupant| occupant.source);
        taken.count(source, -1);

        drop(taken);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn source(last: u8) -> Option<ShareKey> {
        Some(ShareKey::of([192, 168, 1, last].into()))
    }

    #[test]
    fn whoever_takes_all_places_at_once_keeps_nobody_out() {
        let places = Places::new(64, 1, PATIENCE);
        let activity = Activity::default();
        let greedy: Vec<_> = std::iter::from_fn(|| places.take(source(1), &activity)).collect();
        assert_eq!(greedy.len(), 56);
        assert!(places.take(source(2), &activity).is_some());
        places.ask_for(source(2), 1);
        assert!(!activity.is_asked(), "nobody was silent for long");
        drop(greedy);
        assert_eq!(places.taken.lock().of(source(1)), 0);
    }

    #[test]
    fn somebody_with_an_address_for_each_connection_keeps_no_known_source_out() {
        let places = Places::new(64, 1, PATIENCE);
        let activity = Activity::default();
        let first = places.take(source(200), &activity).unwrap();
        first.remember(source(200).unwrap());
        drop(first);

        let strangers = (1..=100).filter_map(|last| places.take(source(last), &activity));
        let strangers: Vec<_> = strangers.collect();
        assert_eq!(strangers.len(), 60);
        assert!(places.take(source(201), &activity).is_none());
        assert!(places.take(source(200), &activity).is_some());
        assert!(places.rank(source(200)) < places.rank(source(201)));
    }

    #[test]
    fn half_a_head_gives_way_as_silence_does_and_a_request_that_is_served_does_not() {
        let places = Places::new(3, 1, Duration::ZERO);
        let [silent, half, served] = [(); 3].map(|()| Activity::default());
        half.found(Duration::ZERO);
        let _request = served.begin();
        let all = [&silent, &half, &served];
        let _taken = all.map(|activity| places.take(source(1), activity).unwrap());

        places.ask_for(source(1), all.len());
        assert!(silent.is_asked() && half.is_asked() && !served.is_asked());
        assert!(half.is_to_leave(Waker::noop()) && !half.is_asked());
    }

    #[test]
    fn proxies_have_no_share_and_their_clients_do() {
        let places = Places::new(64, 1, PATIENCE);
        let activity = Activity::default();
        let place = places.take(None, &activity).unwrap();
        assert_eq!(places.taken.lock().of(None), 0);
        place.belongs_to(ShareKey::of([192, 168, 1, 7].into()));
        assert_eq!(places.taken.lock().of(source(7)), 1);
        let proxied: Vec<_> = std::iter::from_fn(|| places.take(None, &activity)).collect();
        assert_eq!(proxied.len(), 63);
    }
}
