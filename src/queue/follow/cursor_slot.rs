//! What the slot of a cursor says, and the slots as they are found at start.
//!
//! Promises: a slot of another log counts as none. Deliberately judges nothing: see `subscription.rs` for what is made of it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};

use super::progress::{Joined, Progress, Tally};
use super::replay::Replay;
use crate::queue::format::{Counts, TYPES};
use crate::queue::log::manifest::epoch_text;
use crate::queue::log::{CURSOR_BYTES, Log, Slots};
use crate::system::disk::Disk;
use boxbridge_event::{Lane, PersonType};

/// What a slot holds.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    pub epoch: String,
    pub joined: Joined,
    /// By [`PersonType::number`].
    pub positions: [u64; TYPES],
    pub tally: Tally,
    pub replays: Vec<Replay>,
    /// Replays that an operator asked for. Apart, since a version that does not know of them would read the whole range as one to repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "all_known")]
    pub errands: Vec<Replay>,
    /// What the log held when this was written.
    pub log: Counts,
}

/// One of a later version is let go: what it means is not known here.
fn all_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Replay>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let known = all.into_iter().filter_map(|errand| {
        let errand = serde_json::from_value(errand);
        let is_lost = |error: &_| tracing::warn!(%error, "a replay of a later version is let go");
        errand.inspect_err(is_lost).ok()
    });
    Ok(known.collect())
}

/// A cursor's slots as found at start.
pub struct FoundSlots {
    /// `None` where there is no file.
    pub slots: Option<Slots>,
    pub saved: Option<Saved>,
}

pub fn cursor_path(directory: &Path, destination: &str, lane: Lane) -> PathBuf {
    directory.join(format!("cursor-{destination}-{lane}"))
}

impl Saved {
    pub fn of(log: &Log, progress: &Progress) -> Saved {
        let all = progress.replays.iter().cloned();
        let (errands, replays) = all.partition(|replay| replay.errand.is_some());
        Saved {
            epoch: epoch_text(log.epoch),
            joined: progress.joined,
            positions: progress.positions(),
            tally: progress.tally.clone(),
            replays,
            errands,
            log: log.counts(),
        }
    }

    /// Where the destination takes up.
    pub fn into_progress(self) -> Progress {
        let mut replays = self.replays;
        replays.extend(self.errands);
        Progress::at(self.joined, self.positions, self.tally, replays)
    }

    pub fn text(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Of any log, without any claim to the file; `None` where neither slot can be read.
    pub fn peek(disk: &Disk, path: &Path) -> io::Result<Option<Saved>> {
        let text = Slots::peek(disk, path, CURSOR_BYTES)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    pub fn position(&self, person_type: PersonType) -> u64 {
        let number = usize::from(person_type.number());
        self.positions.get(number).copied().unwrap_or(0)
    }

    /// The lowest of all person types.
    pub fn lowest_position(&self) -> u64 {
        let types = PersonType::ALL.iter();
        let positions = types.map(|person_type| self.position(*person_type));
        positions.min().unwrap_or(0)
    }
}

impl FoundSlots {
    pub fn load(disk: &Disk, path: &Path, epoch: &str) -> io::Result<FoundSlots> {
        let (slots, text) = Slots::open(disk, path, CURSOR_BYTES)?.unzip();
        let saved = text
            .flatten()
            .and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
        Ok(FoundSlots {
            slots,
            saved: saved.filter(|saved| saved.epoch == epoch),
        })
    }

    /// What the log held when the slot was written; nothing where there is none.
    pub fn log(&self) -> Counts {
        let saved = self.saved.as_ref();
        saved.map(|saved| saved.log).unwrap_or_default()
    }

    /// Whether there is no telling how far the destination has come.
    pub fn is_unreadable(&self) -> bool {
        self.saved.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::follow::Errand;
    use serde_json::{Value, json};

    fn written(errands: Vec<Replay>) -> Value {
        let saved = Saved {
            epoch: "0".repeat(32),
            joined: Joined::default(),
            positions: [7; TYPES],
            tally: Tally::default(),
            replays: vec![Replay::new(1, 2)],
            errands,
            log: Counts::default(),
        };
        serde_json::to_value(saved).unwrap()
    }

    fn read(slot: Value) -> Saved {
        serde_json::from_slice(slot.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_slot_of_an_earlier_version_is_read_and_a_later_versions_errand_is_let_go() {
        let earlier = read(written(Vec::new()));
        assert_eq!((earlier.replays.len(), earlier.errands.len()), (1, 0));

        let errand = Errand {
            selection: Default::default(),
            rate: Some(5),
            began_at: Default::default(),
            records: 3,
            sent: 1,
            live: 1,
        };
        let replay = Replay::of_errand("replay-1".to_owned(), 4, 6, errand);
        let mut slot = written(vec![replay.clone(), replay.clone()]);
        let errands = |saved: &Saved| -> Vec<_> {
            let errands = saved.errands.iter();
            errands.map(|replay| replay.errand.clone()).collect()
        };
        let (of_one, both) = (replay.errand.clone(), replay.errand);
        assert_eq!(errands(&read(slot.clone())), [of_one.clone(), both]);

        slot["errands"][0]["errand"]["selection"] = json!({"mood": "odd"});
        let later = read(slot);
        assert_eq!((later.replays.len(), errands(&later)), (1, vec![of_one]));
        assert_eq!(later.positions, [7; TYPES], "and nothing else goes with it");
    }
}
