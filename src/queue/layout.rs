//! The bytes on disk: how each header, index entry and trailer is written and read back.
//!
//! Promises: decoding never panics and never yields a value whose checksum, seeded with the segment's nonce and the offset it
//! stands at, does not hold; so stale blocks, copied blocks and hostile bodies that imitate records read as nothing. All numbers
//! are little-endian. Deliberately does no IO; the drawing of the whole stands in `queue/mod.rs`.

use crate::event::{EventId, Feed, Lane, PersonType, PictureKind, PictureSet, Revision, Timestamp};

/// The layout that this version writes; a greater one is refused.
pub(super) const VERSION: u32 = 1;

pub(super) const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"BXS1");
pub(super) const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"BXG1");
pub(super) const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"BXR1");
pub(super) const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"BXT1");

pub(super) const SEGMENT_HEADER: usize = 8 + 4 + 4 + 8 + 8 + 16 + 8 + 8 + COUNTS;
pub(super) const GROUP_HEADER: usize = 64;
pub(super) const RECORD_HEADER: usize = 152;
pub(super) const INDEX_ENTRY: usize = 60;
pub(super) const TRAILER: usize = 8 + 8 + 8 + 8 + 4 + 4 + 8 + COUNTS;

/// Kinds of picture that a record has room for, and person types that a count has.
pub(super) const KINDS: usize = 4;
pub(super) const TYPES: usize = 8;
const COUNTS: usize = 2 * TYPES * 8;

/// The CRC of `bytes` where they stand.
pub(super) fn checksum(nonce: u64, offset: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&nonce.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// `magic | crc | body`.
fn framed(magic: u32, nonce: u64, offset: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + body.len());
    bytes.extend_from_slice(&magic.to_le_bytes());
    bytes.extend_from_slice(&checksum(nonce, offset, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The fields behind a valid frame of `length` bytes.
fn unframed(magic: u32, nonce: u64, offset: u64, bytes: &[u8], length: usize) -> Option<Fields<'_>> {
    let mut fields = Fields(bytes.get(..length)?);
    let (found, crc) = (fields.u32()?, fields.u32()?);
    (found == magic && crc == checksum(nonce, offset, fields.0)).then_some(fields)
}

/// Reads numbers from the front of a slice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
}

/// How many records the log ever had, per lane and person type. What stands where is also a place in the log: the next
/// sequence is the sum and one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [[u64; TYPES]; 2]);

impl Counts {
    pub(super) fn add(&mut self, lane: Lane, person_type: PersonType, records: u64) {
        self.0[usize::from(lane.number())][usize::from(person_type.number())] += records;
    }

    pub(super) fn lane(&self, lane: Lane) -> u64 {
        self.0[usize::from(lane.number())].iter().sum()
    }

    pub(super) fn of(&self, lane: Lane, person_type: PersonType) -> u64 {
        self.0[usize::from(lane.number())][usize::from(person_type.number())]
    }

    /// The last sequence counted.
    pub(super) fn last(&self) -> u64 {
        self.lane(Lane::Urgent) + self.lane(Lane::Normal)
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        self.0.iter().flatten().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Option<Counts> {
        let mut counts = Counts::default();
        for count in counts.0.iter_mut().flatten() {
            *count = fields.u64()?;
        }
        Some(counts)
    }
}

/// The first blocks of a segment (twice: block 0 and block 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub number: u64,
    pub nonce: u64,
    pub epoch: [u8; 16],
    /// The number of the next write, so that what a rolled-back write left never passes for a later one.
    pub write: u64,
    pub created_at: Timestamp,
    /// What the log held before this segment.
    pub before: Counts,
}

impl SegmentHeader {
    /// The first sequence that this segment can hold.
    pub(super) fn base(&self) -> u64 {
        self.before.last() + 1
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(SEGMENT_HEADER);
        body.extend_from_slice(&VERSION.to_le_bytes());
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.nonce.to_le_bytes());
        body.extend_from_slice(&self.epoch);
        body.extend_from_slice(&self.write.to_le_bytes());
        body.extend_from_slice(&self.created_at.0.to_le_bytes());
        self.before.encode(&mut body);
        framed(SEGMENT_MAGIC, 0, 0, &body)
    }

    /// The header, or the version of one that this program is too old for.
    pub(super) fn decode(bytes: &[u8]) -> Option<Result<SegmentHeader, u32>> {
        let mut fields = unframed(SEGMENT_MAGIC, 0, 0, bytes, SEGMENT_HEADER)?;
        let version = fields.u32()?;
        if version > VERSION {
            return Some(Err(version));
        }
        fields.u32()?;
        Some(Ok(SegmentHeader {
            number: fields.u64()?,
            nonce: fields.u64()?,
            epoch: fields.take()?,
            write: fields.u64()?,
            created_at: Timestamp(fields.i64()?),
            before: Counts::decode(&mut fields)?,
        }))
    }
}

/// What stands before the records that were written together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
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
    pub(super) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
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

    pub(super) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<GroupHeader> {
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
pub(super) struct PictureEntry {
    pub bytes: u32,
    pub crc: u32,
    pub digest: u32,
}

/// What stands before a record's event. The event follows at once, the pictures on the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
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
    pub(super) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(RECORD_HEADER - 8);
        for number in [self.sequence, self.urgent_before, self.write] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&self.received_at.0.to_le_bytes());
        body.extend_from_slice(&self.id.0);
        body.extend_from_slice(&self.revision.0.to_le_bytes());
        body.extend_from_slice(&[self.feed.number(), self.lane.number(), self.person_type.number(), self.key, self.present.0]);
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

    pub(super) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<RecordHeader> {
        let mut fields = unframed(RECORD_MAGIC, nonce, offset, bytes, RECORD_HEADER)?;
        let (sequence, urgent_before, write) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (received_at, id, revision) = (Timestamp(fields.i64()?), EventId(fields.take()?), Revision(fields.u32()?));
        let [feed, lane, person_type, key, present] = fields.take()?;
        fields.take::<3>()?;
        let (event_bytes, event_crc) = (fields.u32()?, fields.u32()?);
        let mut pictures = [PictureEntry::default(); KINDS];
        for picture in &mut pictures {
            *picture = PictureEntry { bytes: fields.u32()?, crc: fields.u32()?, digest: fields.u32()? };
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
    pub(super) fn present(&self) -> impl Iterator<Item = (PictureKind, PictureEntry)> + '_ {
        let there = PictureKind::ALL.iter().copied().zip(self.pictures);
        there.filter(|(kind, _)| self.present.contains(*kind))
    }

    pub(super) fn pictures_bytes(&self) -> u64 {
        self.present().map(|(_, picture)| u64::from(picture.bytes)).sum()
    }

    /// What the index keeps of a record that stands at `offset`.
    pub(super) fn entry(&self, offset: u64) -> Entry {
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
pub(super) struct Entry {
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
    pub(super) fn lost(lane: Lane) -> Entry {
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

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        // Offsets are multiples of 8, so 32 bits reach 32 GiB.
        bytes.extend_from_slice(&u32::try_from(self.offset / 8).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&self.event_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.pictures_bytes.to_le_bytes());
        bytes.extend_from_slice(&[self.feed.number(), self.lane.number(), self.person_type.number(), u8::from(self.lost)]);
        bytes.extend_from_slice(&self.received_at.0.to_le_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.revision.0.to_le_bytes());
        self.digests.iter().for_each(|digest| bytes.extend_from_slice(&digest.to_le_bytes()));
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Option<Entry> {
        let (offset, event_bytes, pictures_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let [feed, lane, person_type, lost] = fields.take()?;
        let (received_at, id, revision) = (Timestamp(fields.i64()?), EventId(fields.take()?), Revision(fields.u32()?));
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

/// The last block of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub number: u64,
    pub index_offset: u64,
    /// The newest `received_at` in the segment.
    pub received_through: Timestamp,
    pub entries: u32,
    pub index_crc: u32,
    /// The number of the next write.
    pub write: u64,
    /// What the log holds up to the end of this segment.
    pub through: Counts,
}

impl Trailer {
    pub(super) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(TRAILER - 8);
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.index_offset.to_le_bytes());
        body.extend_from_slice(&self.received_through.0.to_le_bytes());
        body.extend_from_slice(&self.entries.to_le_bytes());
        body.extend_from_slice(&self.index_crc.to_le_bytes());
        body.extend_from_slice(&self.write.to_le_bytes());
        self.through.encode(&mut body);
        framed(TRAILER_MAGIC, nonce, offset, &body)
    }

    pub(super) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<Trailer> {
        let mut fields = unframed(TRAILER_MAGIC, nonce, offset, bytes, TRAILER)?;
        Some(Trailer {
            number: fields.u64()?,
            index_offset: fields.u64()?,
            received_through: Timestamp(fields.i64()?),
            entries: fields.u32()?,
            index_crc: fields.u32()?,
            write: fields.u64()?,
            through: Counts::decode(&mut fields)?,
        })
    }
}
