//! The line of accepted connections that wait for a place.
//!
//! Promises: a source that is known comes first, and of several the one with the fewest places. Nobody waits longer than [`WAIT_MAX`]. If the
//! line is full, of the strangers the source with most connections in it loses its newest one. Nothing is read from a waiting connection.

use std::collections::HashMap;
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
}

impl WaitingLine {
    pub fn new(places: Arc<Places>, most: usize) -> WaitingLine {
        WaitingLine {
            places,
            most,
            waiting: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a connection; returns the one that has to leave for it, if the line is full.
    pub fn push(&mut self, newcomer: Waiting) -> Option<Waiting> {
        self.waiting.push(newcomer);
        if self.waiting.len() <= self.most {
            return None;
        }

        let mut in_line: HashMap<Option<ShareKey>, usize> = HashMap::new();
        for waiting in &self.waiting {
            *in_line.entry(waiting.source).or_default() += 1;
        }

        let is_stranger = |source| self.places.rank(source).0;
        let sources = in_line.into_iter();
        let (source, _) = sources.max_by_key(|(source, count)| (is_stranger(*source), *count))?;
        let newest = self
            .waiting
            .iter()
            .rposition(|waiting| waiting.source == source)?;
        Some(self.waiting.remove(newest))
    }

    /// The next connection that gets a place. If there is none, silent connections are asked to leave.
    pub fn next(&mut self) -> Option<(Waiting, Place)> {
        let waiting = self.waiting.iter().enumerate();
        let (index, first) = waiting.min_by_key(|(_, it)| self.places.rank(it.source))?;

        match self.places.take(first.source, &first.activity) {
            Some(place) => Some((self.waiting.remove(index), place)),
            None => {
                self.places.ask_for(first.source, self.waiting.len());
                None
            }
        }
    }

    /// Removes the connections that have waited too long.
    pub fn expired(&mut self) -> Vec<Waiting> {
        let is_late = |waiting: &mut Waiting| waiting.since.elapsed() > WAIT_MAX;
        self.waiting.extract_if(.., is_late).collect()
    }
}
