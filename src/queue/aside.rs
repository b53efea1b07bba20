//! What a destination would not take (dead letters): kept whole with the reason, for an operator to see and resend.
//!
//! One file each in `aside/`, named `<epoch>-<sequence>-<destination>-<lane>`: the name is the identity, so that a crash between keeping a
//! record and moving its cursor counts once. A full store is an error to the caller, which stops its destination; nothing is dropped.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use super::folder::Folder;
use crate::event::{Lane, Picture, Sequence, Size, Timestamp};
use crate::metrics;

pub struct Aside {
    epoch: String,
    max_bytes: u64,
    folder: Mutex<Folder>,
}

/// A record and why it was not taken.
#[derive(Clone, Debug)]
pub struct SetAside {
    pub destination: &'static str,
    pub lane: Lane,
    pub sequence: Sequence,
    pub at: Timestamp,
    /// A word of `send::Reason`.
    pub reason: &'static str,
    /// The other side's own words.
    pub detail: String,
    pub attempts: u32,
    /// The rendered topic, where it got that far.
    pub topic: Option<String>,
    /// The event's JSON, as in the queue.
    pub event: bytes::Bytes,
    /// Where it was the pictures that were not taken.
    pub pictures: Vec<Picture>,
}

#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    #[error("the set-aside store is full: {} of {} used", Size(*.used), Size(*.limit))]
    Full { used: u64, limit: u64 },
    #[error("the set-aside store cannot be written")]
    Io(#[from] io::Error),
}

fn tell(folder: &Folder) {
    metrics::aside(folder.iter().count(), folder.total());
}

impl Aside {
    /// `epoch` tells the records of this queue from those of one that lay in the same folder before.
    pub fn open(data_dir: &Path, epoch: &str, max_bytes: u64) -> io::Result<Aside> {
        let folder = Folder::open(&data_dir.join("aside"), |name| name.split('-').count() == 4)?;
        tell(&folder);
        Ok(Aside { epoch: epoch.chars().take(8).collect(), max_bytes, folder: Mutex::new(folder) })
    }

    /// Keeps it, on disk when it returns. What is there already stays as it is. Blocks for two syncs.
    pub fn put(&self, aside: &SetAside) -> Result<(), AsideError> {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        let size = aside.pictures.iter().fold(aside.event.len() as u64 + 1_024, |size, picture| size + picture.bytes.len() as u64);
        let name = format!("{}-{:020}-{}-{}", self.epoch, aside.sequence.0, aside.destination, aside.lane);
        if folder.contains(&name) {
            return Ok(());
        }
        if folder.total() + size > self.max_bytes {
            folder.look_again();
        }
        if folder.total() + size > self.max_bytes {
            return Err(AsideError::Full { used: folder.total(), limit: self.max_bytes });
        }
        let pictures = aside.pictures.iter().map(|picture| json!({"kind": picture.kind, "bytes": picture.bytes.len()}));
        let head = json!({
            "destination": aside.destination,
            "lane": aside.lane,
            "sequence": aside.sequence.0,
            "at": aside.at,
            "reason": aside.reason,
            "detail": aside.detail,
            "attempts": aside.attempts,
            "topic": aside.topic,
            "event_bytes": aside.event.len(),
            "pictures": pictures.collect::<Vec<_>>(),
        });
        let mut parts: Vec<&[u8]> = vec![&aside.event, b"\n"];
        parts.extend(aside.pictures.iter().map(|picture| picture.bytes.as_ref()));
        folder.put(&name, &head, &parts)?;
        tell(&folder);
        Ok(())
    }

    /// Sees what an operator has taken away by hand.
    pub fn look_again(&self) {
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        folder.look_again();
        tell(&folder);
    }

    /// How many records are set aside, and their bytes.
    pub fn usage(&self) -> (usize, u64) {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        (folder.iter().count(), folder.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64) -> SetAside {
        SetAside {
            destination: "mqtt",
            lane: Lane::Normal,
            sequence: Sequence(sequence),
            at: Timestamp(1),
            reason: "too_large",
            detail: "70000 of 65535 bytes".to_owned(),
            attempts: 1,
            topic: Some("boxbridge/default/events/vip/gate".to_owned()),
            event: bytes::Bytes::from_static(b"{}"),
            pictures: Vec::new(),
        }
    }

    #[test]
    fn the_same_record_is_kept_once_even_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let aside = Aside::open(directory.path(), "b81f00aa11", 1 << 20).unwrap();
            aside.put(&record(7)).unwrap();
            aside.put(&record(7)).unwrap();
            assert_eq!(aside.usage().0, 1);
        }
    }

    #[test]
    fn a_full_store_is_an_error_and_drops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let aside = Aside::open(directory.path(), "b81f00aa11", 1_200).unwrap();
        aside.put(&record(1)).unwrap();
        assert!(matches!(aside.put(&record(2)), Err(AsideError::Full { .. })));
        assert_eq!(aside.usage().0, 1);
    }
}
