//! The ledger in memory, packed: what was sent, found by marker, and its pictures, found by content.
//!
//! 10 million events fit: with two pictures each, of which one is the registered one, a million took 165 MB in all (measured), so
//! ten million take about 1.6 GB. Two pictures are the same if the first 64 bits of their SHA-256 are, texts if 32 bits of a hash
//! are. Deliberately knows nothing of arrivals or objects: the witnesses keep a byte an event and bus, five bytes a picture and store.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::simulate::{Entry, Marker};
use boxbridge_event::{EventId, Feed, PersonType, PictureKind, Revision, Timestamp};

/// Where something stands in [`Expected::events`] or in [`Expected::pictures`].
pub type Index = u32;

/// A marker's number beyond this is no ledger of ours, and would only cost memory.
const NUMBER_MAX: u32 = 100_000_000;
const NONE: Index = Index::MAX;

#[derive(Default)]
pub struct Expected {
    pub events: Vec<ExpectedEvent>,
    pub pictures: Vec<ExpectedPicture>,
    pub devices: Vec<String>,
    /// Per run, by number: the event's index + 1, or 0.
    runs: HashMap<u32, Vec<Index>>,
    picture_indexes: HashMap<u64, Index>,
    device_indexes: HashMap<String, Index>,
}

/// One event of the ledger. What the answer did not tell is filled in by the first arrival.
pub struct ExpectedEvent {
    pub marker: Marker,
    pub id: Option<EventId>,
    pub revisions: Revisions,
    pub occurred_at: Timestamp,
    /// By [`PictureKind::number`]; `NONE` where none was sent.
    pictures: [Index; 4],
    pub device: Index,
    pub sequence: u32,
    pub identity: u32,
    /// In ten-thousandths.
    pub score: u16,
    pub person_type: PersonType,
    pub feed: Feed,
    /// Where the same event was sent on a second one.
    pub other_feed: Option<Feed>,
    pub is_acknowledged: bool,
}

/// The same match may be sent twice, live and for the record; the two must have different revisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    record: Option<Revision>,
    live: Option<Revision>,
}

impl Revisions {
    pub fn slot(&mut self, is_live: bool) -> &mut Option<Revision> {
        if is_live {
            &mut self.live
        } else {
            &mut self.record
        }
    }

    pub fn of(&self, is_live: bool) -> Option<Revision> {
        if is_live { self.live } else { self.record }
    }

    pub fn are_told_apart(&self) -> bool {
        self.live != self.record
    }

    /// Whether a replay may have this revision: one of the known two, or any while none is known.
    pub fn may_be(&self, revision: Revision) -> bool {
        let known = [self.record, self.live];
        known == [None, None] || known.contains(&Some(revision))
    }
}

/// One picture content, however many events show it.
#[derive(Clone, Debug)]
pub struct ExpectedPicture {
    pub sha256: u64,
    pub bytes: u32,
    /// The first event that shows it, to name it by.
    pub event: Index,
    /// A hash of the key that messages gave it; 0 = none.
    pub claimed_key: u32,
    pub marks: Marks,
}

/// What messages say of a picture, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// A message says `stored` true, or false, or that it will not come.
    pub const CLAIMED: Marks = Marks(1);
    pub const PENDING: Marks = Marks(2);
    pub const GIVEN_UP: Marks = Marks(4);

    pub fn set(&mut self, marks: Marks) {
        self.0 |= marks.0;
    }

    pub fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }
}

/// Where a marker leads.
pub enum Found {
    Event(Index),
    /// A run of the ledger, but no event of it.
    Unexpected,
    /// Another run.
    Foreign,
}

impl Expected {
    /// Takes a line of a ledger. A second line with the same marker (the same event on two feeds) joins the first. False for an
    /// impossible marker.
    pub fn add(&mut self, entry: &Entry) -> bool {
        if entry.marker.number > NUMBER_MAX || self.events.len() >= NUMBER_MAX as usize {
            return false;
        }
        let index = self.index_of(entry);
        let Some(event) = self.events.get_mut(index as usize) else {
            return false;
        };

        event.is_acknowledged |= entry.is_acknowledged();
        event.id = event.id.or(entry.event_id);
        let revision = event.revisions.slot(entry.feed != Feed::History);
        *revision = revision.or(entry.revision);
        let second = event.other_feed.or(Some(entry.feed));
        event.other_feed = second.filter(|feed| *feed != event.feed);
        true
    }

    /// Where the event of this marker is; it is put there if it is new.
    fn index_of(&mut self, entry: &Entry) -> Index {
        let next = Index::try_from(self.events.len()).unwrap_or(NONE);
        let numbers = self.runs.entry(entry.marker.run).or_default();
        let number = entry.marker.number as usize;
        if numbers.len() <= number {
            numbers.resize(number + 1, 0);
        }

        let Some(known) = numbers.get_mut(number) else {
            return NONE;
        };
        if *known > 0 {
            return *known - 1;
        }
        *known = next + 1;
        self.insert(entry, next);
        next
    }

    fn insert(&mut self, entry: &Entry, index: Index) {
        let pictures = self.intern_pictures(entry, index);
        let device = self.intern_device(&entry.device);

        self.events.push(ExpectedEvent {
            marker: entry.marker,
            id: None,
            revisions: Revisions::default(),
            occurred_at: entry.occurred_at,
            pictures,
            device,
            sequence: entry.sequence,
            identity: hash(&entry.identity),
            score: ten_thousandths(entry.score),
            person_type: entry.person_type,
            feed: entry.feed,
            other_feed: None,
            is_acknowledged: false,
        });
    }

    /// By kind.
    fn intern_pictures(&mut self, entry: &Entry, event: Index) -> [Index; 4] {
        let mut pictures = [NONE; 4];
        for (kind, picture) in &entry.pictures {
            let Some(sha256) = short(&picture.sha256) else {
                continue;
            };
            let picture = self.intern_picture(sha256, picture.bytes, event);
            if let Some(slot) = pictures.get_mut(usize::from(kind.number())) {
                *slot = picture;
            }
        }
        pictures
    }

    fn intern_picture(&mut self, sha256: u64, bytes: u64, event: Index) -> Index {
        if let Some(index) = self.picture_indexes.get(&sha256) {
            return *index;
        }

        let index = Index::try_from(self.pictures.len()).unwrap_or(NONE);
        self.pictures.push(ExpectedPicture {
            sha256,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            event,
            claimed_key: 0,
            marks: Marks::default(),
        });
        self.picture_indexes.insert(sha256, index);
        index
    }

    fn intern_device(&mut self, device: &str) -> Index {
        if let Some(index) = self.device_indexes.get(device) {
            return *index;
        }

        let index = Index::try_from(self.devices.len()).unwrap_or(NONE);
        self.devices.push(device.to_owned());
        self.device_indexes.insert(device.to_owned(), index);
        index
    }

    pub fn find(&self, marker: Marker) -> Found {
        let Some(numbers) = self.runs.get(&marker.run) else {
            return Found::Foreign;
        };
        match numbers.get(marker.number as usize) {
            Some(0) | None => Found::Unexpected,
            Some(index) => Found::Event(*index - 1),
        }
    }

    pub fn find_picture(&self, sha256: &str) -> Option<Index> {
        self.picture_indexes.get(&short(sha256)?).copied()
    }

    pub fn device(&self, event: &ExpectedEvent) -> &str {
        self.devices
            .get(event.device as usize)
            .map_or("", String::as_str)
    }
}

impl ExpectedEvent {
    /// It says of nobody who it is.
    pub fn is_nobody(&self) -> bool {
        self.identity == hash("")
    }

    /// All that were sent.
    pub fn pictures(&self) -> impl Iterator<Item = Index> {
        self.pictures.into_iter().filter(|index| *index != NONE)
    }

    pub fn picture(&self, kind: PictureKind) -> Option<Index> {
        let picture = self.pictures.get(usize::from(kind.number()));
        picture.copied().filter(|index| *index != NONE)
    }
}

/// The first 64 bits of 64 hex digits.
fn short(sha256: &str) -> Option<u64> {
    let digits = Some(sha256)
        .filter(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits.get(..16)?, 16).ok()
}

/// The same for the same text within this process; never 0.
pub fn hash(text: &str) -> u32 {
    (BuildHasherDefault::<DefaultHasher>::default().hash_one(text) as u32).max(1)
}

pub fn ten_thousandths(score: f64) -> u16 {
    (score.clamp(0.0, 1.0) * 10_000.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_events_fit_into_memory() {
        let event = size_of::<ExpectedEvent>() + size_of::<Index>();
        // A hash table that is between half and seven eighths full.
        let found = size_of::<Index>() + size_of::<bool>();
        let picture = size_of::<ExpectedPicture>() + found + 2 * (size_of::<(u64, Index)>() + 1);
        assert!(
            event <= 96 && picture <= 72,
            "{event} bytes an event, {picture} bytes a picture"
        );
        assert!((event + picture) * 10_000_000 < 2 << 30);
    }
}
