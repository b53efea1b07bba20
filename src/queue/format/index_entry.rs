//! One record in a segment's index.
//!
//! Promises: what the index says of a record is enough to choose it without reading it.

use super::frame::Fields;
use super::record_header::{KINDS, RecordHeader};
use boxbridge_event::{EventId, Feed, Lane, PersonType, Revision, Timestamp};

pub const INDEX_ENTRY: usize = 60;

/// One record in a segment's index. Its sequence is the segment's base and its place in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// A multiple of 8.
    pub offset: u64,
    pub event_bytes: u32,
    pub pictures_bytes: u32,
    pub received_at: Timestamp,
    pub id: EventId,
    pub revision: Revision,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    /// A record that rotted: only its place and, as far as it could be inferred, its lane are known.
    pub lost: bool,
    /// By [`PictureKind::number`]; 0 where there is no picture.
    pub digests: [u32; KINDS],
}

impl IndexEntry {
    /// What the index keeps of a record that stands at `offset`.
    pub fn of(record: &RecordHeader, offset: u64) -> IndexEntry {
        IndexEntry {
            offset,
            event_bytes: record.event_bytes,
            pictures_bytes: u32::try_from(record.pictures_bytes()).unwrap_or(u32::MAX),
            received_at: record.received_at,
            id: record.id,
            revision: record.revision,
            feed: record.feed,
            lane: record.lane,
            person_type: record.person_type,
            lost: false,
            digests: record.pictures.map(|picture| picture.digest),
        }
    }

    pub fn lost(lane: Lane) -> IndexEntry {
        IndexEntry {
            offset: 0,
            event_bytes: 0,
            pictures_bytes: 0,
            received_at: Timestamp::default(),
            id: EventId([0; 16]),
            revision: Revision(0),
            feed: Feed::Realtime,
            lane,
            person_type: PersonType::Unknown,
            lost: true,
            digests: [0; KINDS],
        }
    }

    pub fn encode(&self, bytes: &mut Vec<u8>) {
        // Offsets are multiples of 8, so 32 bits reach 32 GiB.
        bytes.extend_from_slice(
            &u32::try_from(self.offset / 8)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        bytes.extend_from_slice(&self.event_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.pictures_bytes.to_le_bytes());
        bytes.extend_from_slice(&[
            self.feed.number(),
            self.lane.number(),
            self.person_type.number(),
            u8::from(self.lost),
        ]);

        bytes.extend_from_slice(&self.received_at.0.to_le_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.revision.0.to_le_bytes());
        self.digests
            .iter()
            .for_each(|digest| bytes.extend_from_slice(&digest.to_le_bytes()));
    }

    /// A whole index; `None` if one entry does not decode.
    pub fn decode_all(index: &[u8]) -> Option<Vec<IndexEntry>> {
        let mut fields = Fields(index);
        (0..index.len() / INDEX_ENTRY)
            .map(|_| IndexEntry::decode(&mut fields))
            .collect()
    }

    fn decode(fields: &mut Fields<'_>) -> Option<IndexEntry> {
        let (offset, event_bytes, pictures_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let [feed, lane, person_type, lost] = fields.take()?;
        let (received_at, id, revision) = (
            Timestamp(fields.i64()?),
            EventId(fields.take()?),
            Revision(fields.u32()?),
        );

        let mut digests = [0; KINDS];
        for digest in &mut digests {
            *digest = fields.u32()?;
        }

        Some(IndexEntry {
            offset: u64::from(offset) * 8,
            event_bytes,
            pictures_bytes,
            received_at,
            id,
            revision,
            feed: Feed::from_number(feed)?,
            lane: Lane::from_number(lane)?,
            person_type: PersonType::from_number(person_type)?,
            lost: lost != 0,
            digests,
        })
    }
}
