//! The cursors at start: their slots, and what is made of them.
//!
//! Promises: a destination that is not configured any more has nothing waiting, or the queue does not open; one whose slots cannot be
//! read gets everything again, in the lane whose slots they were. Deliberately reads no record.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::queue::follow::{FoundSlots, Replay, Saved, Subscription, cursor_path};
use crate::queue::format::Counts;
use crate::queue::log::{Log, Manifest, OpenError, Stretch};
use crate::system::disk::Disk;
use boxbridge_event::Lane;

/// Of every destination: of those that are configured, and of those that once were.
pub(super) struct FoundCursors(Vec<FoundCursor>);

struct FoundCursor {
    destination: String,
    lane: Lane,
    found: FoundSlots,
}

impl FoundCursors {
    pub(super) fn load(
        disk: &Disk,
        directory: &Path,
        manifest: &Manifest,
        destinations: &[&str],
    ) -> Result<FoundCursors, OpenError> {
        let known = manifest.destinations.iter().map(String::as_str);
        let former = known.filter(|name| !destinations.contains(name));

        let mut cursors = Vec::new();
        for destination in destinations.iter().copied().chain(former) {
            // The normal lane first: it carries the replay where either is unreadable, and must do so before the other joins anew.
            for lane in [Lane::Normal, Lane::Urgent] {
                let path = cursor_path(directory, destination, lane);
                let found = FoundSlots::load(disk, &path, &manifest.epoch);
                let mut found = found.map_err(OpenError::io("reading", &path))?;
                if !manifest.knows(destination) {
                    // From a time before it was switched off: it joins anew.
                    found.saved = None;
                }
                cursors.push(FoundCursor {
                    destination: destination.to_owned(),
                    lane,
                    found,
                });
            }
        }
        Ok(FoundCursors(cursors))
    }

    /// How far the log had come when the latest slot was written.
    pub(super) fn log(&self) -> Counts {
        let logs = self.0.iter().map(|cursor| cursor.found.log());
        logs.fold(Counts::default(), Counts::or_more)
    }

    /// Of the configured destinations; `None` where none has one.
    pub(super) fn lowest_position(&self, destinations: &[&str]) -> Option<u64> {
        let configured = self.0.iter().filter(|cursor| cursor.is_of(destinations));
        let saved = configured.filter_map(|cursor| cursor.found.saved.as_ref());
        saved.map(Saved::lowest_position).min()
    }

    /// The cursors of the configured destinations. One that is not configured any more must have nothing waiting.
    pub(super) fn follow(
        self,
        log: &Log,
        manifest: &Manifest,
        destinations: &[&str],
        returned: &[Stretch],
    ) -> Result<Vec<Arc<Subscription>>, OpenError> {
        self.nothing_waits(log, destinations)?;
        let unreadable: BTreeMap<String, Vec<Lane>> = self.unreadable(manifest);

        let mut subscriptions = Vec::new();
        for cursor in self.0 {
            if !cursor.is_of(destinations) {
                continue;
            }
            let mut replays = Vec::new();
            if cursor.lane == Lane::Normal {
                let lost = unreadable.get(&cursor.destination);
                let again = lost
                    .map(|lanes| cursor.everything_of(lanes, log))
                    .transpose();
                let again =
                    again.map_err(OpenError::io("reading the indexes of", &log.directory))?;
                let saved = cursor.found.saved.as_ref();
                replays.extend(again.flatten());
                replays.extend(saved.iter().flat_map(|saved| of_returned(saved, returned)));
            }
            let path = cursor_path(&log.directory, &cursor.destination, cursor.lane);
            let subscription =
                Subscription::open(log, &cursor.destination, cursor.lane, cursor.found, replays)
                    .map_err(OpenError::io("writing", &path))?;
            subscriptions.push(Arc::new(subscription));
        }
        Ok(subscriptions)
    }

    /// Destinations that followed the log, with the lanes in which nobody knows how far.
    fn unreadable(&self, manifest: &Manifest) -> BTreeMap<String, Vec<Lane>> {
        let mut unreadable: BTreeMap<String, Vec<Lane>> = BTreeMap::new();
        let followed = self
            .0
            .iter()
            .filter(|cursor| manifest.knows(&cursor.destination));
        for cursor in followed.filter(|cursor| cursor.found.is_unreadable()) {
            let lanes = unreadable.entry(cursor.destination.clone()).or_default();
            lanes.push(cursor.lane);
        }
        unreadable
    }

    /// Whether a destination that is not configured any more has had everything, in both lanes.
    fn nothing_waits(&self, log: &Log, destinations: &[&str]) -> Result<(), OpenError> {
        let mut waiting: BTreeMap<&str, u64> = BTreeMap::new();
        let former = self.0.iter().filter(|cursor| !cursor.is_of(destinations));
        for cursor in former {
            let Some(saved) = &cursor.found.saved else {
                continue;
            };
            let of_lane = log
                .waiting(cursor.lane, |person_type| saved.position(person_type))
                .map_err(OpenError::io("reading the indexes of", &log.directory))?;
            *waiting.entry(&cursor.destination).or_default() += of_lane;
        }

        match waiting.into_iter().find(|(_, waiting)| *waiting > 0) {
            None => Ok(()),
            Some((destination, waiting)) => Err(OpenError::Waiting {
                destination: destination.to_owned(),
                waiting,
            }),
        }
    }
}

impl FoundCursor {
    fn is_of(&self, destinations: &[&str]) -> bool {
        destinations.contains(&self.destination.as_str())
    }

    /// A replay of all that is there of these lanes, whose cursors are lost.
    fn everything_of(&self, lanes: &[Lane], log: &Log) -> io::Result<Option<Replay>> {
        let last = log.counts().last();
        let Some(oldest) = log.oldest().filter(|oldest| *oldest <= last) else {
            return Ok(None);
        };
        for lane in lanes {
            let records = log.waiting(*lane, |_| oldest.saturating_sub(1))?;
            tracing::error!(
                destination.name = self.destination,
                %lane,
                records,
                "a cursor is unreadable: what is kept of its lane goes out again as a replay"
            );
        }

        // In one replay both keep their order.
        let only = match lanes {
            [lane] => Some(*lane),
            _ => None,
        };
        Ok(Some(Replay::of_lane(only, oldest, last)))
    }
}

/// Replays of what has come back, for a cursor that may have counted it as rotten.
fn of_returned(saved: &Saved, returned: &[Stretch]) -> Vec<Replay> {
    let joined = saved.joined.sequence;
    let since = returned.iter().filter(|stretch| stretch.to > joined);
    since
        .map(|stretch| Replay::new(stretch.from.max(joined + 1), stretch.to))
        .collect()
}
