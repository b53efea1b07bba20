//! Reading a record of a segment, and its pictures.
//!
//! Promises: what comes out is what was written, by its checksums; a disk that does not answer is told from bytes that do not hold.

use std::io;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::Segment;
use crate::queue::format::{
    IndexEntry, PictureEntry, RECORD_HEADER, RecordHeader, checksum, pictures_offset,
};
use boxbridge_event::{Picture, PictureKind};

/// A record that cannot be given as it was written.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its pictures were given up after the store had passed it.
    #[error("the pictures of record {0} are no longer kept")]
    Punched(u64),
    /// A checksum does not hold, or the file ends before it.
    #[error("record {0} is rotten")]
    Rotten(u64),
    /// The disk did not answer: it is asked again.
    #[error("record {0} cannot be read now")]
    Unanswered(u64, #[source] io::Error),
    /// The disk reads other places and not this one, for so long that it has lost what stood there. Says which place.
    #[error("{0}")]
    GivenUp(String),
}

impl Segment {
    /// A record's header and event, checked.
    pub fn read(
        &self,
        sequence: u64,
        entry: &IndexEntry,
    ) -> Result<(RecordHeader, Bytes), ReadError> {
        let mut bytes = vec![0; RECORD_HEADER + entry.event_bytes as usize];
        let read = self.file.read_if_long_enough(&mut bytes, entry.offset);
        let is_there = read.map_err(|error| ReadError::Unanswered(sequence, error))?;
        if !is_there {
            return Err(ReadError::Rotten(sequence));
        }

        let header = RecordHeader::decode(&bytes, self.header.nonce, entry.offset)
            .filter(|header| header.sequence == sequence)
            .filter(|header| header.event_bytes == entry.event_bytes)
            .ok_or(ReadError::Rotten(sequence))?;

        let event = Bytes::from(bytes).slice(RECORD_HEADER..);
        let place = entry.offset + RECORD_HEADER as u64;
        match checksum(self.header.nonce, place, &event) == header.event_crc {
            true => Ok((header, event)),
            false => Err(ReadError::Rotten(sequence)),
        }
    }

    /// A record's pictures, checked.
    pub fn read_pictures(
        &self,
        offset: u64,
        header: &RecordHeader,
    ) -> Result<Vec<Picture>, ReadError> {
        let mut place = pictures_offset(offset, header.event_bytes);
        let mut pictures = Vec::new();

        for (kind, picture) in header.present() {
            let bytes = self.read_picture(header.sequence, &picture, place)?;
            pictures.push(Picture { kind, bytes });
            place += u64::from(picture.bytes);
        }
        Ok(pictures)
    }

    /// One of them, checked; `None` if there is none of this kind.
    pub fn read_picture_of_kind(
        &self,
        offset: u64,
        header: &RecordHeader,
        wanted: PictureKind,
    ) -> Result<Option<Bytes>, ReadError> {
        let mut place = pictures_offset(offset, header.event_bytes);
        for (kind, picture) in header.present() {
            if kind == wanted {
                let read = self.read_picture(header.sequence, &picture, place);
                return read.map(Some);
            }
            place += u64::from(picture.bytes);
        }
        Ok(None)
    }

    fn read_picture(
        &self,
        sequence: u64,
        picture: &PictureEntry,
        place: u64,
    ) -> Result<Bytes, ReadError> {
        let mut bytes = vec![0; picture.bytes as usize];
        let read = self.file.read_if_long_enough(&mut bytes, place);
        let is_there = read.map_err(|error| ReadError::Unanswered(sequence, error))?;

        if is_there && checksum(self.header.nonce, place, &bytes) == picture.crc {
            return Ok(Bytes::from(bytes));
        }
        Err(match self.punched.load(Ordering::Acquire) {
            true => ReadError::Punched(sequence),
            false => ReadError::Rotten(sequence),
        })
    }
}
