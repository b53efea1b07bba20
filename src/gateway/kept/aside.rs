//! Records that a destination would not take (dead letters): kept whole with the reason, for an operator to see and resend.
//!
//! One file each in `aside/`, named `<epoch>-<sequence>-<destination>-<lane>`: the name is the identity, so that a crash between keeping a
//! record and moving its cursor counts once. A full store is an error to the caller, which stops its destination; nothing is dropped.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::folder::{Folder, Full, PutError, Quota};
use crate::metrics;
use crate::system::disk::Disk;
use crate::system::volume::Rank;
use boxbridge_event::{Lane, Picture, Sequence, Timestamp};

pub struct Aside {
    epoch: String,
    folder: Folder,
}

/// A record and why it was not taken.
#[derive(Clone, Debug)]
pub struct SetAside {
    pub destination: Arc<str>,
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
    #[error("the set-aside store is full: {0}")]
    Full(Full),
    #[error("the set-aside store cannot be written")]
    Io(#[from] io::Error),
}

impl Aside {
    /// `epoch` tells the records of this queue from those of one that lay in the same folder before.
    pub fn open(disk: &Disk, data_dir: &Path, epoch: &str, max_bytes: u64) -> io::Result<Aside> {
        let owner = |name: &str| is_name(name).then_some("".into());
        let folder = Folder::open(disk, &data_dir.join("aside"), quota(max_bytes), owner)?;

        let aside = Aside {
            epoch: epoch.chars().take(8).collect(),
            folder,
        };
        aside.tell();
        Ok(aside)
    }

    /// Holds for every record that is set aside from now on; what is there stays.
    pub fn adopt(&self, max_bytes: u64) {
        self.folder.limit(quota(max_bytes));
    }

    /// Keeps it, on disk when it returns. What is there already stays as it is. Blocks for two syncs.
    pub fn put(&self, aside: &SetAside) -> Result<(), AsideError> {
        let (epoch, sequence) = (&self.epoch, aside.sequence.0);
        let (destination, lane) = (&aside.destination, aside.lane);
        let name = format!("{epoch}-{sequence:020}-{destination}-{lane}");

        let mut parts: Vec<&[u8]> = vec![&aside.event, b"\n"];
        parts.extend(aside.pictures.iter().map(|picture| picture.bytes.as_ref()));
        self.folder.put(&name, &aside.head(), &parts)?;
        self.tell();
        Ok(())
    }

    /// Sees what an operator has taken away by hand. Looks at every file.
    pub fn review(&self) {
        self.folder.review(|_| false);
        self.tell();
    }

    /// How many records are set aside, and what they occupy.
    pub fn usage(&self) -> (usize, u64) {
        self.folder.usage()
    }

    fn tell(&self) {
        let (records, bytes) = self.usage();
        metrics::aside(records, bytes);
    }
}

fn quota(max_bytes: u64) -> Quota {
    Quota {
        max_bytes,
        share_bytes: max_bytes,
        rank: Rank::Middle,
    }
}

impl SetAside {
    fn head(&self) -> serde_json::Value {
        let pictures = self.pictures.iter();
        let pictures =
            pictures.map(|picture| json!({"kind": picture.kind, "bytes": picture.bytes.len()}));
        json!({
            "destination": &*self.destination,
            "lane": self.lane,
            "sequence": self.sequence.0,
            "at": self.at,
            "reason": self.reason,
            "detail": self.detail,
            "attempts": self.attempts,
            "topic": self.topic,
            "event_bytes": self.event.len(),
            "pictures": pictures.collect::<Vec<_>>(),
        })
    }
}

/// Whether it is one of ours: in the destination's name alone there may be dashes.
fn is_name(name: &str) -> bool {
    let mut parts = name.splitn(3, '-');
    let (Some(_epoch), Some(sequence), Some(rest)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_number = sequence.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        && rest
            .rsplit_once('-')
            .is_some_and(|(_, lane)| Lane::from_word(lane).is_some())
}

impl From<PutError> for AsideError {
    fn from(error: PutError) -> AsideError {
        match error {
            PutError::Full(full) => AsideError::Full(full),
            PutError::Io(error) => AsideError::Io(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: u64) -> SetAside {
        SetAside {
            destination: "mqtt".into(),
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
            let aside =
                Aside::open(&Disk::default(), directory.path(), "b81f00aa11", 1 << 20).unwrap();
            aside.put(&record(7)).unwrap();
            aside.put(&record(7)).unwrap();
            assert_eq!(aside.usage().0, 1);
        }
    }

    #[test]
    fn what_was_set_aside_is_known_again_whatever_the_destination_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let open =
            || Aside::open(&Disk::default(), directory.path(), "b81f00aa11", 1 << 20).unwrap();
        let names = ["mqtt", "kafka-hq", "a-b-c", "hq-normal"];
        for (sequence, name) in (1..).zip(names) {
            open()
                .put(&SetAside {
                    destination: name.into(),
                    ..record(sequence)
                })
                .unwrap();
        }
        std::fs::write(
            directory.path().join("aside/an-operator-s-own-note"),
            "not ours",
        )
        .unwrap();
        let (records, bytes) = open().usage();
        assert!(
            records == names.len() && bytes > 0,
            "{records} records of {bytes} bytes"
        );
    }

    #[test]
    fn a_full_store_is_an_error_and_drops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let aside = Aside::open(&Disk::default(), directory.path(), "b81f00aa11", 5_000).unwrap();
        aside.put(&record(1)).unwrap();
        assert!(matches!(
            aside.put(&record(2)),
            Err(AsideError::Full { .. })
        ));
        assert_eq!(aside.usage().0, 1);
    }
}
