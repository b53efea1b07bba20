//! A kept body as it is read back.

use std::io;

use bytes::Bytes;

use super::{Excerpt, QuarantineHead};
use crate::gateway::kept::folder::KeptFile;

/// A body is looked through in pieces of this.
const PIECE: u64 = 64 << 10;

pub struct KeptBody {
    pub head: QuarantineHead,
    file: KeptFile,
}

impl KeptBody {
    pub(super) fn of(file: KeptFile) -> io::Result<KeptBody> {
        let head = QuarantineHead::read(&file.head)?;
        Ok(KeptBody { head, file })
    }

    pub fn len(&self) -> u64 {
        self.file.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn bytes(&self) -> io::Result<Bytes> {
        Ok(self.file.read_all()?.into())
    }

    /// It as a person may look at it, its fault marked. Reads it piece by piece.
    pub fn excerpt(&self) -> io::Result<Excerpt> {
        let mut excerpt = Excerpt::of(&self.head);
        let mut from = 0;
        while from < self.len() && !excerpt.is_full() {
            let piece = self.file.read(from, PIECE)?;
            excerpt.add(&piece);
            from += piece.len() as u64;
        }
        excerpt.end(from < self.len());
        Ok(excerpt)
    }
}
