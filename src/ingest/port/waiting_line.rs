//! The line of accepted connections that wait for a place.
//!
//! Promises: a source that is known comes first, and of several the one with the fewest places. Nobody waits longer than [`WAIT_MAX`]. If the
//! line is full, of the strangers the source with most connections in it loses its newest one. Nothing is read from a waiting connection.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::Activity;
use super::places::{Place, Places};
use boxbridge_event::ShareKey;

/// Longer than any box waits, and long enough for a silent connection to count as silent.
const WAIT_MAX: Duration = Duration::from_secs(6);

pub struct Waiting {
    pub stream: TcpStream,
    pub address: SocketAddr,
    pub activity: Activity,
    source: Option<ShareKey>,
    since: Instant,
}

impl Waiting {
    pub fn new(stream: TcpStream, address: SocketAddr, source: Option<ShareKey>) -> Waiting {
        Waiting {
            stream,
            address,
            activity: Activity::default(),
            source,
            since: Instant::now(),
        }
    }
}

pub struct WaitingLine {
    places: Arc<Places>,
    most: usize,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// How many of them are of each source.
    of_source: HashMap<Option<ShareKey>, usize>,
}

impl WaitingLine {
    pub fn new(places: Arc<Places>, most: usize) -> WaitingLine {
        WaitingLine {
            places,
            most,
            waiting: Vec::new(),
            of_source: HashMap::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a connection. Whether it may find a place where those before it found none.
    pub fn push(&mut self, newcomer: Waiting) -> bool {
        let (is_stranger, _) = self.places.rank(newcomer.source);
        *self.of_source.entry(newcomer.source).or_default() += 1;
        self.waiting.push(newcomer);
        !is_stranger || self.waiting.len() == 1
    }

    /// The one that has to leave, if the line is too long.
    pub fn surplus(&mut self) -> Option<Waiting> {
        if self.waiting.len() <= self.most {
            return None;
        }

        let newest = self.waiting.last()?;
        let is_stranger = |source| self.places.rank(source).0;
        // With an address for each of a thousand connections nobody has more than others: the one that came last leaves, and it costs no look at all.
        let is_each_of_another = self.of_source.len() == self.waiting.len();
        let source = if is_each_of_another && is_stranger(newest.source) {
            newest.source
        } else {
            let sources = self.of_source.iter();
            let most = sources.max_by_key(|(source, count)| (is_stranger(**source), **count));
            *most?.0
        };

        let of_it = |waiting: &Waiting| waiting.source == source;
        let index = self.waiting.iter().rposition(of_it)?;
        Some(self.remove(index))
    }

    fn remove(&mut self, index: usize) -> Waiting {
        let gone = self.waiting.remove(index);
        self.forget(gone.source);
        gone
    }

    fn forget(&mut self, source: Option<ShareKey>) {
        if let Entry::Occupied(mut count) = self.of_source.entry(source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// The next connection that gets a place. If there is none, silent connections are asked to leave.
    pub fn next(&mut self) -> Option<(Waiting, Place)> {
        let waiting = self.waiting.iter().enumerate();
        let (index, first) = waiting.min_by_key(|(_, it)| self.places.rank(it.source))?;

        match self.places.take(first.source, &first.activity) {
            Some(place) => Some((self.remove(index), place)),
            None => {
                self.places.ask_for(first.source, self.waiting.len());
                None
            }
        }
    }

    /// Removes the connections that have waited too long.
    pub fn expired(&mut self) -> Vec<Waiting> {
        let is_late = |waiting: &mut Waiting| waiting.since.elapsed() > WAIT_MAX;
        let expired: Vec<_> = self.waiting.extract_if(.., is_late).collect();
        expired.iter().for_each(|gone| self.forget(gone.source));
        expired
    }
}
