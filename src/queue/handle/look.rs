//! Looking records up in a queue that runs.
//!
//! Promises: it happens beside everything else, on threads of its own and few at once, and a caller that goes away is heard of by nobody.

use std::io;
use std::sync::Arc;

use super::Queue;
use crate::queue::follow::{Subscription, found_record};
use crate::queue::format::IndexEntry;
use crate::queue::inspect::{self, Hit, Page, Search};
use crate::queue::log::{Log, Part};
use crate::queue::open_queue::OpenQueue;
use crate::system::fault;
use boxbridge_event::{EventId, Lane, PersonType, Record, Sequence, Timestamp};

impl Queue {
    /// Looks records up, newest first: all that were appended when it begins. An error where the disk does not answer now.
    pub async fn search(&self, search: Search) -> io::Result<Page<Record>> {
        self.look(move |open| {
            let page = inspect::search_segments(&open.log.segments(), &search)?;
            let reader = Arc::from("a search");
            Ok(page.map(|hit| record(&open.log, &reader, hit)))
        })
        .await
    }

    /// The id of the newest record whose id is like that: every id is asked for, which takes a second for some millions.
    pub async fn id_that(
        &self,
        is_it: impl Fn(EventId) -> bool + Send + 'static,
    ) -> io::Result<Option<EventId>> {
        self.look(move |open| {
            for segment in open.log.segments().iter().rev() {
                let mut found = None;
                segment.visit(segment.base(), |_, entry| {
                    let is_found = !entry.lost && is_it(entry.id);
                    found = is_found.then_some(entry.id);
                    !is_found
                })?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            Ok(None)
        })
        .await
    }

    /// The oldest record that is there, and when it came: how far back a search or a replay reaches.
    pub async fn oldest(&self) -> io::Result<Option<(Sequence, Timestamp)>> {
        self.look(|open| open.log.oldest_record()).await
    }

    /// Records with pictures that this destination has had and the store has not settled, as of this call: at most so many.
    pub fn ahead_of_store(
        &self,
        destination: &str,
        most: usize,
    ) -> impl Future<Output = io::Result<Vec<(Sequence, Lane, PersonType)>>> + Send + use<> {
        let queue = self.clone();
        let ahead: Vec<_> = Lane::ALL
            .iter()
            .filter_map(|lane| Ahead::of(&self.open, destination, *lane))
            .collect();

        async move {
            let listed = queue.look(move |open| {
                let mut found = Vec::new();
                for of_lane in ahead {
                    of_lane.list(&open.log, most, &mut found)?;
                }
                Ok(found)
            });
            listed.await
        }
    }

    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&OpenQueue) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.open.looks).acquire_owned().await;
        let open = Arc::clone(&self.open);
        let looked = tokio::task::spawn_blocking(move || {
            let _place = place;
            look(&open)
        });

        let ended = fault::joined(looked.await);
        ended.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
    }
}

/// How far a destination has come in a lane, and how far the store, by person type.
struct Ahead {
    lane: Lane,
    destination: Vec<u64>,
    store: Vec<u64>,
}

impl Ahead {
    fn of(open: &OpenQueue, destination: &str, lane: Lane) -> Option<Ahead> {
        let positions = |subscription: &Subscription| subscription.progress().positions().to_vec();
        let store = open.subscriptions.of_store(lane)?;
        let destination = open.subscriptions.of(destination, lane)?;
        Some(Ahead {
            lane,
            destination: positions(destination),
            store: positions(store),
        })
    }

    fn has(&self, sequence: u64, entry: &IndexEntry) -> bool {
        let number = usize::from(entry.person_type.number());
        let at = |positions: &[u64]| positions.get(number).copied().unwrap_or(0);
        let has_pictures = entry.digests.iter().any(|digest| *digest != 0);
        let is_ahead = at(&self.store) < sequence && sequence <= at(&self.destination);
        entry.lane == self.lane && !entry.lost && has_pictures && is_ahead
    }

    fn list(
        &self,
        log: &Log,
        most: usize,
        found: &mut Vec<(Sequence, Lane, PersonType)>,
    ) -> io::Result<()> {
        let from = self.store.iter().min().map_or(1, |position| position + 1);
        let through = self.destination.iter().max().copied().unwrap_or(0);
        for (from, part) in log.parts(from).take_while(|(from, _)| *from <= through) {
            let Part::Segment(segment) = part else {
                continue;
            };
            segment.visit(from, |sequence, entry| {
                if self.has(sequence, entry) {
                    found.push((Sequence(sequence), entry.lane, entry.person_type));
                }
                sequence < through && found.len() < most
            })?;
        }
        Ok(())
    }
}

fn record(log: &Log, reader: &Arc<str>, hit: Hit) -> Record {
    let at = (hit.segment, hit.entry.offset);
    found_record(log, reader, hit.header, at, hit.event)
}
