//! A picture by its name, looked for beside a running queue.
//!
//! Promises: what is found has the hash that its name says, whatever record it is taken from. Deliberately knows only pictures that are
//! still here: those that the store has passed are given up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Queue;
use crate::queue::format::IndexEntry;
use crate::queue::log::{Log, Part, ReadError, Segment};
use crate::system::fault;
use boxbridge_event::{PictureName, Sequence};

impl Queue {
    /// A picture of this record; `None` if the record is gone, or has another. An error where the disk does not answer now.
    pub async fn picture_of(
        &self,
        record: Sequence,
        name: PictureName,
    ) -> io::Result<Option<Bytes>> {
        let open = Arc::clone(&self.open);
        let read = tokio::task::spawn_blocking(move || of_record(&open.log, record.0, &name));
        let ended = fault::joined(read.await);
        ended.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
    }

    /// The same of any record that has its pictures still, the newest first.
    pub async fn picture(&self, name: PictureName) -> io::Result<Option<Bytes>> {
        self.look(move |open| of_any_record(&open.log, &name)).await
    }
}

fn of_record(log: &Log, sequence: u64, name: &PictureName) -> io::Result<Option<Bytes>> {
    let pictures = log.recent.pictures(sequence).unwrap_or_default();
    let at_hand = pictures
        .into_iter()
        .find(|picture| picture.kind == name.kind() && name.names(&picture.bytes));
    if let Some(picture) = at_hand {
        return Ok(Some(picture.bytes));
    }

    let Some(Part::Segment(segment)) = log.part(sequence) else {
        return Ok(None);
    };
    let mut found = None;
    segment.visit(sequence, |at, entry| {
        found = (at == sequence && may_have(entry, name)).then(|| entry.clone());
        false
    })?;
    found.map_or(Ok(None), |entry| read(&segment, sequence, &entry, name))
}

fn of_any_record(log: &Log, name: &PictureName) -> io::Result<Option<Bytes>> {
    for segment in log.segments().iter().rev() {
        if segment.punched.load(Ordering::Acquire) {
            continue;
        }

        let mut may_have_it = Vec::new();
        segment.visit(segment.base(), |sequence, entry| {
            if may_have(entry, name) {
                may_have_it.push((sequence, entry.clone()));
            }
            true
        })?;
        for (sequence, entry) in may_have_it.into_iter().rev() {
            if let Some(bytes) = read(segment, sequence, &entry, name)? {
                return Ok(Some(bytes));
            }
        }
    }
    Ok(None)
}

/// By the index alone.
fn may_have(entry: &IndexEntry, name: &PictureName) -> bool {
    let digest = entry.digests.get(usize::from(name.kind().number()));
    // A digest of 0 would say that there is no picture.
    !entry.lost && digest == Some(&name.first_bits().max(1))
}

fn read(
    segment: &Segment,
    sequence: u64,
    entry: &IndexEntry,
    name: &PictureName,
) -> io::Result<Option<Bytes>> {
    let read = segment
        .read(sequence, entry)
        .and_then(|(header, _)| segment.read_picture_of_kind(entry.offset, &header, name.kind()));
    match read {
        Ok(bytes) => Ok(bytes.filter(|bytes| name.names(bytes))),
        Err(ReadError::Unanswered(_, error)) => Err(error),
        Err(_) => Ok(None),
    }
}
