//! From one segment to the next: create, name, go over, and only then give the one before its index.
//!
//! An answer waits for a header, a name and the sync of each; the rest is done `beside`: the file is made while the one before fills up,
//! and the index is written while the new one takes groups.
//!
//! Promises: a failure on the way leaves the log as it was, and is tried again; a roll is only ever completed, never taken back. For a
//! start judges a segment without an index by the header of the next: so from the moment that the next may have a name nothing is
//! written to the one before it, and until that name is durable nothing is appended at all. Deliberately poisons for nothing but a
//! sync of the directory and a write or sync of a file that holds records: a file that has no name yet, or whose call never reached
//! the disk, holds nothing that was answered.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Active, Wanted, Writer, beside};
use crate::queue::append::make_space::make_space;
use crate::queue::append::trouble::Trouble;
use crate::queue::format::{BLOCK, FIRST_GROUP, SegmentHeader};
use crate::queue::log::{Segment, Unsealed, segment_path};
use crate::system::disk::{self, File};
use boxbridge_event::Timestamp;

/// Their indexes are in memory, which is bounded; and with no room for an index there will soon be none for events.
const UNSEALED_MAX: usize = 2;

impl Writer {
    /// Sees to it that the active segment has room for a group, and is the last one.
    pub(super) fn find_room(&mut self, wanted: Wanted) -> Result<(), Trouble> {
        while !self.has_room(wanted) {
            self.roll(wanted)?;
        }
        Ok(())
    }

    pub(super) fn has_room(&self, wanted: Wanted) -> bool {
        let has_room = |active: &Active| active.has_room(wanted);
        self.next.is_none() && self.active.as_ref().is_some_and(has_room)
    }

    /// Makes the next segment and goes over to it. One that a failure left waiting may be too small: the one after it is not.
    fn roll(&mut self, wanted: Wanted) -> Result<(), Trouble> {
        self.seal_older()?;
        if self.unsealed.len() >= UNSEALED_MAX {
            return Err(Trouble::NotNow {
                reason: "segments cannot be given their index".to_owned(),
            });
        }

        if self.next.is_none() {
            self.next = Some(self.make(wanted)?);
        }
        // Until its name is durable it stays the next one.
        let names = &self.shared.log.names;
        names
            .sync_directory()
            .map_err(|error| Trouble::of("syncing", names, error))?;

        self.go_over();
        Ok(())
    }

    /// Has the file of the next segment made once this one is half full: sooner, it would take room from what is kept for replays.
    pub(super) fn look_ahead(&mut self) {
        let active = self.active.as_mut();
        let half_full = active.filter(|active| !active.has_asked && active.end > active.length / 2);
        if let Some(active) = half_full {
            active.has_asked = true;
            self.beside.make_blank(&self.shared);
        }
    }

    /// A segment of the usual size, or larger where this needs more.
    fn make(&mut self, wanted: Wanted) -> Result<Active, Trouble> {
        let needed = FIRST_GROUP + wanted.bytes + BLOCK + Segment::seal_bytes(wanted.records);
        let usual = self.shared.limits.segment_bytes;
        let blank = self.beside.take_blank().filter(|_| needed <= usual);
        if let Some(file) = blank {
            return self.create(usual, Ok(file));
        }

        let shared = &self.shared;
        let length = usual.max(needed.next_multiple_of(BLOCK));
        let on_full = shared.rules.now().on_full;
        make_space(
            &shared.log,
            &shared.subscriptions,
            &shared.limits,
            on_full,
            length,
        )?;
        let file = beside::allocated(&shared.log, length);
        self.create(length, file)
    }

    /// The next one is the active one from here on.
    fn go_over(&mut self) {
        let Some(next) = self.next.take() else {
            return;
        };
        let segment = Arc::clone(&next.segment);
        self.shared.log.state().segments.push_back(segment);

        if let Some(before) = self.active.replace(next) {
            let length = Some(before.length);
            let unsealed = before.into_unsealed(length, self.write);
            let not_begun = self.beside.seal(&self.shared.log, unsealed);
            self.unsealed.extend(not_begun);
        }
    }

    /// File → header → sync the file → name it. Any failure here is "not now": the file is thrown away, or overwritten by the next
    /// attempt, and nothing that was answered depends on it.
    fn create(&mut self, length: u64, file: io::Result<File>) -> Result<Active, Trouble> {
        let log = &self.shared.log;
        let header = SegmentHeader {
            number: self.number,
            nonce: uuid::Uuid::new_v4().as_u64_pair().0 ^ uuid::Uuid::new_v4().as_u64_pair().1,
            epoch: log.epoch,
            write: self.write,
            created_at: Timestamp::now(),
            before: self.counts,
        };
        let path = segment_path(&log.directory, self.number);
        log.disk.keep_spare_descriptors();

        let begun = file.and_then(|file| begin(file, &path, header));
        let mut segment = begun.map_err(|error| {
            // It occupies what others need, and holds nothing.
            let _ = log.disk.remove(&beside::fresh(log));
            Trouble::not_now(format!("making {}: {error}", path.display()), &error)
        })?;
        segment.file.rename(&path).map_err(|error| {
            Trouble::not_now(format!("naming {}: {error}", path.display()), &error)
        })?;

        self.number += 1;
        Ok(Active {
            segment: Arc::new(segment),
            end: FIRST_GROUP,
            length,
            records: 0,
            has_asked: false,
        })
    }

    /// Gives those before the active one their index, also where that is under way. That it cannot be written now costs memory, and
    /// a scan after a kill.
    pub(super) fn seal_older(&mut self) -> Result<(), Trouble> {
        if let Some((unsealed, result)) = self.beside.sealed() {
            self.sealed(unsealed, result)?;
        }

        for unsealed in std::mem::take(&mut self.unsealed) {
            let result = unsealed.seal();
            self.sealed(unsealed, result)?;
        }
        Ok(())
    }

    fn sealed(&mut self, unsealed: Unsealed, result: io::Result<()>) -> Result<(), Trouble> {
        let outages = &self.shared.log.outages;
        let what = || format!("writing the index of {}", unsealed.segment.path.display());
        match result {
            Ok(()) => outages.over(what),
            Err(error) if disk::is_passing(&error) => {
                outages.began(what(), &error);
                self.unsealed.push(unsealed);
            }
            Err(error) => return Err(Trouble::Broken(error)),
        }
        Ok(())
    }

    /// At the end: nothing is left to scan at the next start.
    pub(super) fn finish(&mut self) {
        let log = Arc::clone(&self.shared.log);
        if self.beside.take_blank().is_some() {
            let _ = log.disk.remove(&beside::fresh(&log));
        }
        if log.is_poisoned() {
            // The next start must have the directory alone.
            drop(self.beside.sealed());
            return;
        }

        if let Some(last) = self.active.take() {
            self.unsealed.push(last.into_unsealed(None, self.write));
        }
        if let Err(Trouble::Broken(error)) = self.seal_older() {
            log.poison(&error);
        }
    }
}

impl Active {
    fn into_unsealed(self, length: Option<u64>, write: u64) -> Unsealed {
        Unsealed {
            segment: self.segment,
            end: self.end,
            length,
            write,
        }
    }
}

/// A segment of a file that is called `fresh`, and will be `path`, with both copies of its header on disk.
fn begin(file: File, path: &Path, header: SegmentHeader) -> io::Result<Segment> {
    let bytes = header.encode();
    file.write_at(&bytes, 0)?;
    file.write_at(&bytes, BLOCK)?;
    file.sync()?;
    Segment::new(path.to_owned(), file, header)
}
