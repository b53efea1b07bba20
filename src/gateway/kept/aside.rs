//! Records that a destination would not take (dead letters): kept whole with the reason, for an operator to see and to send again.
//!
//! One file each in `aside/`, named `<epoch>-<sequence>-<destination>-<lane>`: the name is the identity, so that a crash between keeping a
//! record and moving its cursor counts once. A full store is an error to the caller, which stops its destination; nothing is dropped. Deliberately
//! sends nothing: `resend` does.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::folder::{Folder, Full, PutError, Quota};
use crate::metrics;
use crate::system::disk::Disk;
use crate::system::volume::Rank;
use boxbridge_event::{Event, Lane, Picture, Sequence, Timestamp};

mod filter;
mod head;
mod kept_record;
mod page;

pub use filter::AsideFilter;
pub use head::{AsideHead, PictureSize};
pub use kept_record::KeptRecord;
pub use page::AsideCounts;

pub struct Aside {
    /// Of the log that is open.
    epoch: Arc<str>,
    folder: Arc<Folder>,
}

/// A record and why it was not taken.
#[derive(Clone, Debug)]
pub struct SetAside {
    pub destination: Arc<str>,
    pub lane: Lane,
    pub sequence: Sequence,
    pub at: Timestamp,
    pub why: Why,
    /// The rendered topic, where it got that far.
    pub topic: Option<String>,
    /// The event's JSON, as in the queue.
    pub event: bytes::Bytes,
    /// Where it was the pictures that were not taken.
    pub pictures: Vec<Picture>,
}

/// Why a record was not taken.
#[derive(Clone, Debug)]
pub struct Why {
    /// A word of `send::Reason`.
    pub reason: &'static str,
    /// The other side's own words.
    pub detail: String,
    pub attempts: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum AsideError {
    #[error("the set-aside store is full: {0}")]
    Full(Full),
    #[error("the set-aside store cannot be written")]
    Io(#[from] io::Error),
}

/// What a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub epoch: &'a str,
    pub sequence: Sequence,
    pub destination: &'a str,
    pub lane: Lane,
}

impl Aside {
    /// `epoch` tells the records of this queue from those of one that lay in the same folder before.
    pub fn open(disk: &Disk, data_dir: &Path, epoch: &str, max_bytes: u64) -> io::Result<Aside> {
        let owner = |name: &str| Name::of(name).map(|_| "".into());
        let folder = Folder::open(disk, &data_dir.join("aside"), quota(max_bytes), owner)?;

        let aside = Aside {
            epoch: epoch.into(),
            folder: Arc::new(folder),
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
        let name = self.name(&aside.destination, aside.lane, aside.sequence);

        let mut parts: Vec<&[u8]> = vec![&aside.event, b"\n"];
        parts.extend(aside.pictures.iter().map(|picture| picture.bytes.as_ref()));
        let event = serde_json::from_slice::<Event>(&aside.event).ok();
        let head = AsideHead::of(aside, &self.epoch, event.as_ref());
        self.folder.put(&name, &head.to_json(), &parts)?;
        self.tell();
        Ok(())
    }

    /// A record that is kept was sent again and refused again, on this topic where it got that far: it stays, and says why.
    pub fn refused_again(&self, name: &str, why: &Why, topic: Option<String>) -> io::Result<()> {
        let Some(file) = self.folder.read(name)? else {
            return Ok(());
        };
        let mut head = AsideHead::read(&file.head)?;
        head.reason = why.reason.to_owned();
        head.detail.clone_from(&why.detail);
        head.attempts = head.attempts.saturating_add(why.attempts);
        head.topic = topic.or(head.topic);
        self.folder.say_anew(name, &head.to_json())
    }

    /// Removes a record; false if no file had this name.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let removed = self.folder.remove(name);
        self.tell();
        removed
    }

    /// One that is kept; `None` if no file has this name.
    pub fn read(&self, name: &str) -> io::Result<Option<KeptRecord>> {
        let Some(file) = self.folder.read(name)? else {
            return Ok(None);
        };
        KeptRecord::read(name, file, &self.folder, &self.epoch).map(Some)
    }

    /// What is known of one without its event.
    pub fn head(&self, name: &str) -> io::Result<Option<AsideHead>> {
        let file = self.folder.read(name)?;
        file.map(|file| AsideHead::complete(&file)).transpose()
    }

    /// How many there are, by destination and lane.
    pub fn by_lane(&self) -> BTreeMap<(String, String), u64> {
        let mut counted = BTreeMap::new();
        self.folder.each_name(|name| {
            if let Some(name) = Name::of(name) {
                let lane = (name.destination.to_owned(), name.lane.to_string());
                *counted.entry(lane).or_default() += 1;
            }
        });
        counted
    }

    /// Which log is open.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Of a record of this log that this destination would not take.
    pub fn name(&self, destination: &str, lane: Lane, Sequence(sequence): Sequence) -> String {
        let epoch = short(&self.epoch);
        format!("{epoch}-{sequence:020}-{destination}-{lane}")
    }

    /// The names behind this one, at most so many; the oldest of a log first.
    pub fn names_after(&self, after: Option<&str>, most: usize) -> Vec<String> {
        self.folder.names_after(after, most)
    }

    pub fn last_name(&self) -> Option<String> {
        self.folder.last_name()
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

impl Name<'_> {
    /// Of one of ours: in the destination's name alone there may be dashes.
    pub fn of(name: &str) -> Option<Name<'_>> {
        let mut parts = name.splitn(3, '-');
        let (epoch, sequence, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let is_number = sequence.bytes().all(|byte| byte.is_ascii_digit());
        let (destination, lane) = rest.rsplit_once('-')?;

        Some(Name {
            epoch,
            sequence: Sequence(sequence.parse().ok().filter(|_| is_number)?),
            destination,
            lane: Lane::from_word(lane)?,
        })
    }
}

/// As much of an epoch as a name has.
fn short(epoch: &str) -> &str {
    epoch.get(..8).unwrap_or(epoch)
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
            why: Why {
                reason: "too_large",
                detail: "70000 of 65535 bytes".to_owned(),
                attempts: 1,
            },
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
