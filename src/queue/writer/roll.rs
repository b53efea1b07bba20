//! From one segment to the next: create, name, go over, and only then give the one before its index.
//!
//! Promises: whatever fails on the way leaves a log that is as it was, and what failed is tried again; a roll is only ever completed,
//! never taken back. For a start judges a segment without an index by the header of the next: so from the moment that the next
//! may have a name nothing is written to the one before it, and until that name is durable nothing is appended at all. Deliberately
//! poisons for nothing but a sync of the directory and a write or sync of what holds records: a file that has no name yet, or whose
//! call never reached the disk, holds nothing that was answered.

use std::sync::Arc;

use super::{Active, Wanted, Writer};
use crate::queue::layout::{BLOCK, SegmentHeader};
use crate::queue::recover::{FRESH, segment_path};
use crate::queue::segment::{FIRST_GROUP, Segment};
use crate::queue::space::{self, Trouble};
use crate::system::disk;
use boxbridge_event::Timestamp;

/// A segment that holds all that it ever will, and whose index is only in memory so far.
pub(in crate::queue) struct Unsealed {
    pub segment: Arc<Segment>,
    pub end: u64,
    /// The file ends there; `None` cuts it behind the trailer.
    pub length: Option<u64>,
    pub write: u64,
}

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
        self.next.is_none()
            && self
                .active
                .as_ref()
                .is_some_and(|active| active.has_room(wanted))
    }

    /// Makes the next segment and goes over to it. One that a failure left waiting may be too small: the one after it is not.
    fn roll(&mut self, wanted: Wanted) -> Result<(), Trouble> {
        self.seal_older()?;
        if self.unsealed.len() >= UNSEALED_MAX {
            return Err(Trouble::NotNow {
                reason: "segments cannot be given their index".to_owned(),
            });
        }
        let next = match self.next.take() {
            Some(next) => next,
            None => {
                let needed =
                    FIRST_GROUP + wanted.bytes + BLOCK + Segment::seal_bytes(wanted.records);
                let length = self
                    .inner
                    .settings
                    .segment_bytes
                    .max(needed.next_multiple_of(BLOCK));
                space::make_room(&self.inner, length)?;
                self.create(length)?
            }
        };
        let next = self.next.insert(next);
        let names = &self.inner.log.names;
        names
            .sync_directory()
            .map_err(|error| Trouble::of("syncing", names, error))?;
        self.inner
            .log
            .state()
            .segments
            .push_back(Arc::clone(&next.segment));
        if let Some(Active {
            segment,
            end,
            length,
            ..
        }) = std::mem::replace(&mut self.active, self.next.take())
        {
            self.unsealed.push(Unsealed {
                segment,
                end,
                length: Some(length),
                write: self.write,
            });
        }
        self.seal_older()
    }

    /// Create → header → sync the file → name it. Any failure here is "not now": the file is thrown away, or overwritten by the next
    /// attempt, and nothing that was answered depends on it.
    fn create(&mut self, length: u64) -> Result<Active, Trouble> {
        let (disk, directory) = (&self.inner.log.disk, &self.inner.log.directory);
        let header = SegmentHeader {
            number: self.number,
            nonce: uuid::Uuid::new_v4().as_u64_pair().0 ^ uuid::Uuid::new_v4().as_u64_pair().1,
            epoch: self.inner.log.epoch,
            write: self.write,
            created_at: Timestamp::now(),
            before: self.counts,
        };
        disk.keep_spare_descriptors();
        let fresh = directory.join(FRESH);
        let path = segment_path(directory, self.number);
        let made = disk.create(&fresh).and_then(|file| {
            let bytes = header.encode();
            file.allocate(length)?;
            file.write_at(&bytes, 0)?;
            file.write_at(&bytes, BLOCK)?;
            file.sync()?;
            let segment = Segment::new(path.clone(), file, header)?;
            Ok(segment)
        });
        let mut segment = match made {
            Ok(segment) => segment,
            Err(error) => {
                // It occupies what others need, and holds nothing.
                let _ = disk.remove(&fresh);
                return Err(Trouble::not_now(
                    format!("making {}: {error}", path.display()),
                    &error,
                ));
            }
        };
        let named = segment.file.rename(&path);
        named.map_err(|error| {
            Trouble::not_now(format!("naming {}: {error}", path.display()), &error)
        })?;
        self.number += 1;
        Ok(Active {
            segment: Arc::new(segment),
            end: FIRST_GROUP,
            length,
            records: 0,
        })
    }

    /// Gives those before the active one their index. That it cannot be written now costs memory, and a scan after a kill.
    pub(super) fn seal_older(&mut self) -> Result<(), Trouble> {
        let mut left = Vec::new();
        for unsealed in std::mem::take(&mut self.unsealed) {
            let what = || format!("writing the index of {}", unsealed.segment.path.display());
            match unsealed
                .segment
                .seal(unsealed.end, unsealed.length, unsealed.write)
            {
                Ok(()) => self.inner.log.outages.over(what),
                Err(error) if disk::is_passing(&error) => {
                    self.inner.log.outages.began(what(), &error);
                    left.push(unsealed);
                }
                Err(error) => return Err(Trouble::Broken(error)),
            }
        }
        self.unsealed = left;
        Ok(())
    }

    /// At the end: nothing is left to scan at the next start.
    pub(super) fn finish(&mut self) {
        if self.inner.is_poisoned() {
            return;
        }
        if let Some(Active { segment, end, .. }) = self.active.take() {
            self.unsealed.push(Unsealed {
                segment,
                end,
                length: None,
                write: self.write,
            });
        }
        if let Err(Trouble::Broken(error)) = self.seal_older() {
            self.inner.poison(&error);
        }
    }
}
