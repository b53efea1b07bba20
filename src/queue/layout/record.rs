//! Groups, records and their entries in the index.

use super::{
    Fields, GROUP_HEADER, GROUP_MAGIC, KINDS, RECORD_HEADER, RECORD_MAGIC, framed, unframed,
};
use boxbridge_event::{
    EventId, Feed, Lane, PersonType, PictureKind, PictureSet, Revision, Timestamp,
};

/// What stands before the records that were written together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) struct GroupHeader {
    /// From this header to the end of the group, a multiple of the block.
    pub bytes: u64,
    pub records: u32,
    pub write: u64,
    /// The sequence of the first record, or of the next one where the group is empty.
    pub next_sequence: u64,
    /// Urgent records before this group.
    pub urgent_before: u64,
    /// The end of what was synced before this group was written, within this segment; earlier segments are synced whole.
    pub durable_through: u64,
}

impl GroupHeader {
    pub(in crate::queue) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(GROUP_HEADER - 8);
        body.extend_from_slice(&self.bytes.to_le_bytes());
        body.extend_from_slice(&self.records.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.write.to_le_bytes());
        body.extend_from_slice(&self.next_sequence.to_le_bytes());
        body.extend_from_slice(&self.urgent_before.to_le_bytes());
        body.extend_from_slice(&self.durable_through.to_le_bytes());
        body.resize(GROUP_HEADER - 8, 0);
        framed(GROUP_MAGIC, nonce, offset, &body)
    }

    pub(in crate::queue) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<GroupHeader> {
        let mut fields = unframed(GROUP_MAGIC, nonce, offset, bytes, GROUP_HEADER)?;
        let (bytes, records) = (fields.u64()?, fields.u32()?);
        fields.u32()?;
        Some(GroupHeader {
            bytes,
            records,
            write: fields.u64()?,
            next_sequence: fields.u64()?,
            urgent_before: fields.u64()?,
            durable_through: fields.u64()?,
        })
    }
}

/// One picture of a record: its length, its CRC where it stands, and the first 32 bits of its SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct PictureEntry {
    pub bytes: u32,
    pub crc: u32,
    pub digest: u32,
}

/// What stands before a record's event. The event follows at once, the pictures on the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::queue) struct RecordHeader {
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
    pub(in crate::queue) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
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

    pub(in crate::queue) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<RecordHeader> {
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
    pub(in crate::queue) fn present(
        &self,
    ) -> impl Iterator<Item = (PictureKind, PictureEntry)> + '_ {
        let there = PictureKind::ALL.iter().copied().zip(self.pictures);
        there.filter(|(kind, _)| self.present.contains(*kind))
    }

    pub(in crate::queue) fn pictures_bytes(&self) -> u64 {
        self.present()
            .map(|(_, picture)| u64::from(picture.bytes))
            .sum()
    }

    /// What the index keeps of a record that stands at `offset`.
    pub(in crate::queue) fn entry(&self, offset: u64) -> Entry {
        Entry {
            offset,
            event_bytes: self.event_bytes,
            pictures_bytes: u32::try_from(self.pictures_bytes()).unwrap_or(u32::MAX),
            received_at: self.received_at,
            id: self.id,
            revision: self.revision,
            feed: self.feed,
            lane: self.lane,
            person_type: self.person_type,
            lost: false,
            digests: self.pictures.map(|picture| picture.digest),
        }
    }
}

/// One record in a segment's index. Its sequence is the segment's base and its place in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Entry {
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

impl Entry {
    pub(in crate::queue) fn lost(lane: Lane) -> Entry {
        Entry {
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

    pub(in crate::queue) fn encode(&self, bytes: &mut Vec<u8>) {
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

    pub(in crate::queue) fn decode(fields: &mut Fields<'_>) -> Option<Entry> {
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
        Some(Entry {
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
