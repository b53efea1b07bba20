//! A record that waits to be written, as the writer needs it.
//!
//! Promises: every checksum is computed by the task that appends, none by the writer. Deliberately has no place in the log yet.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::entry::{AppendError, Appended, Entry};
use super::write_budget::Granted;
use crate::queue::format::{BLOCK, KINDS, RECORD_HEADER};
use boxbridge_event::{
    Event, EventId, Feed, Lane, PersonType, Picture, PictureKind, PictureSet, Revision, Timestamp,
};

pub type Reply = oneshot::Sender<Result<Appended, AppendError>>;

pub struct Pending {
    pub id: EventId,
    pub revision: Revision,
    /// For a record that nobody may act on: the revision that its content would have had live.
    pub live_revision: Option<Revision>,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    pub received_at: Timestamp,
    /// JSON.
    pub event: Vec<u8>,
    /// Without the seed of the place that it will have; so is a picture's.
    pub event_crc: u32,
    pub present: PictureSet,
    /// By [`PictureKind::number`].
    pub pictures: [PendingPicture; KINDS],
    pub reply: Reply,
    _granted: Granted,
}

/// One kind of picture of a record.
#[derive(Default)]
pub struct PendingPicture {
    /// Empty where there is none.
    pub bytes: Bytes,
    pub crc: u32,
    /// The first 32 bits of its SHA-256; 0 where there is none.
    pub digest: u32,
}

impl Pending {
    /// `event` is the entry's as JSON.
    pub fn new(entry: Entry, event: Vec<u8>, reply: Reply, granted: Granted) -> Pending {
        let (parsed, pictures) = (entry.event, entry.pictures);
        let mut pending = Pending {
            id: parsed.id,
            revision: parsed.revision,
            live_revision: entry.live_revision,
            feed: parsed.feed,
            lane: entry.lane,
            person_type: parsed.person_type,
            received_at: parsed.received_at,
            event_crc: crc32fast::hash(&event),
            event,
            present: PictureSet::default(),
            pictures: std::array::from_fn(|number| PendingPicture {
                digest: digest(&parsed, number),
                ..PendingPicture::default()
            }),
            reply,
            _granted: granted,
        };

        for picture in pictures {
            pending.present.insert(picture.kind);
            let place = pending.pictures.get_mut(usize::from(picture.kind.number()));
            if let Some(place) = place {
                place.crc = crc32fast::hash(&picture.bytes);
                place.bytes = picture.bytes;
            }
        }
        pending
    }

    /// In the order of [`PictureKind::ALL`].
    pub fn take_pictures(&mut self) -> Vec<Picture> {
        let kinds = PictureKind::ALL.iter().copied();
        let present = kinds.filter(|kind| self.present.contains(*kind));
        let pictures = present.filter_map(|kind| {
            let place = self.pictures.get_mut(usize::from(kind.number()))?;
            let bytes = std::mem::take(&mut place.bytes);
            Some(Picture { kind, bytes })
        });
        pictures.collect()
    }

    pub fn pictures_bytes(&self) -> u64 {
        let pictures = self.pictures.iter();
        pictures.map(|picture| picture.bytes.len() as u64).sum()
    }

    /// What it takes on disk at most, wherever it comes to stand.
    pub fn record_bytes(&self) -> u64 {
        let pictures = match self.present.is_empty() {
            true => 0,
            false => self.pictures_bytes() + 2 * BLOCK,
        };
        RECORD_HEADER as u64 + self.event.len() as u64 + 8 + pictures
    }

    pub fn digests(&self) -> [u32; KINDS] {
        self.pictures.each_ref().map(|picture| picture.digest)
    }
}

/// The first 32 bits of the name of a picture that the event refers to, never 0.
fn digest(event: &Event, number: usize) -> u32 {
    let kind = u8::try_from(number).ok().and_then(PictureKind::from_number);
    let reference = kind.and_then(|kind| event.pictures.get(kind));
    let digest =
        reference.and_then(|reference| u32::from_str_radix(reference.sha256.get(..8)?, 16).ok());
    digest.map_or(0, |digest| digest.max(1))
}
