//! What stands before a record's event, and what it says of each picture.

use super::frame::{framed, unframed};
use boxbridge_event::{
    EventId, Feed, Lane, PersonType, PictureKind, PictureSet, Revision, Timestamp,
};

pub const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"BXR1");
pub const RECORD_HEADER: usize = 152;
/// Kinds of picture that a record has room for.
pub const KINDS: usize = 4;

/// One picture of a record: its length, its CRC where it stands, and the first 32 bits of its SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureEntry {
    pub bytes: u32,
    pub crc: u32,
    pub digest: u32,
}

/// What stands before a record's event. The event follows at once, the pictures on the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    pub sequence: u64,
    pub urgent_before: u64,
    pub write: u64,
    pub received_at: Timestamp,
    pub id: EventId,
    pub revision: Revision,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    /// Which key encrypts it: reserved, always 0.
    pub key: u8,
    pub present: PictureSet,
    pub event_bytes: u32,
    pub event_crc: u32,
    /// By [`PictureKind::number`].
    pub pictures: [PictureEntry; KINDS],
}

impl RecordHeader {
    pub fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(RECORD_HEADER - 8);
        for number in [self.sequence, self.urgent_before, self.write] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&self.received_at.0.to_le_bytes());
        body.extend_from_slice(&self.id.0);
        body.extend_from_slice(&self.revision.0.to_le_bytes());
        body.extend_from_slice(&[
            self.feed.number(),
            self.lane.number(),
            self.person_type.number(),
            self.key,
            self.present.0,
        ]);
        body.extend_from_slice(&[0; 3]);

        body.extend_from_slice(&self.event_bytes.to_le_bytes());
        body.extend_from_slice(&self.event_crc.to_le_bytes());
        for picture in self.pictures {
            for number in [picture.bytes, picture.crc, picture.digest] {
                body.extend_from_slice(&number.to_le_bytes());
            }
        }
        // The rest is reserved: a list of destinations, once a record may be meant for some of them only.
        body.resize(RECORD_HEADER - 8, 0);
        framed(RECORD_MAGIC, nonce, offset, &body)
    }

    pub fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<RecordHeader> {
        let mut fields = unframed(RECORD_MAGIC, nonce, offset, bytes, RECORD_HEADER)?;
        let (sequence, urgent_before, write) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (received_at, id, revision) = (
            Timestamp(fields.i64()?),
            EventId(fields.take()?),
            Revision(fields.u32()?),
        );
        let [feed, lane, person_type, key, present] = fields.take()?;
        fields.take::<3>()?;
        let (event_bytes, event_crc) = (fields.u32()?, fields.u32()?);

        let mut pictures = [PictureEntry::default(); KINDS];
        for picture in &mut pictures {
            *picture = PictureEntry {
                bytes: fields.u32()?,
                crc: fields.u32()?,
                digest: fields.u32()?,
            };
        }

        Some(RecordHeader {
            sequence,
            urgent_before,
            write,
            received_at,
            id,
            revision,
            feed: Feed::from_number(feed)?,
            lane: Lane::from_number(lane)?,
            person_type: PersonType::from_number(person_type)?,
            key,
            present: PictureSet(present),
            event_bytes,
            event_crc,
            pictures,
        })
    }

    /// The pictures that are there, in the order in which they lie.
    pub fn present(&self) -> impl Iterator<Item = (PictureKind, PictureEntry)> + '_ {
        let there = PictureKind::ALL.iter().copied().zip(self.pictures);
        there.filter(|(kind, _)| self.present.contains(*kind))
    }

    pub fn pictures_bytes(&self) -> u64 {
        self.present()
            .map(|(_, picture)| u64::from(picture.bytes))
            .sum()
    }
}
