//! The pictures of one record of the log, read when somebody asks for them.
//!
//! Promises: all of them, checked, or why not. Deliberately keeps none in memory itself.

use std::io;
use std::sync::Arc;

use super::asking::Asking;
use crate::queue::format::RecordHeader;
use crate::queue::log::{ReadError, Recent, Segment};
use crate::system::fault;
use boxbridge_event::{NoPictures, Picture, ReadPictures, Reading};

pub struct Pictures {
    pub recent: Arc<Recent>,
    pub sequence: u64,
    pub header: RecordHeader,
    pub segment: Arc<Segment>,
    pub offset: u64,
    pub asking: Asking,
}

impl ReadPictures for Pictures {
    fn read(self: Arc<Self>) -> Reading {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || self.read_now()).await;
            // Where the runtime goes down, nobody will look at the answer.
            let not_now = || {
                let interrupted = io::Error::from(io::ErrorKind::Interrupted);
                Err(NoPictures::NotNow(interrupted.to_string()))
            };
            fault::joined(read).unwrap_or_else(not_now)
        })
    }

    fn at_hand(&self) -> Option<Vec<Picture>> {
        self.recent.pictures(self.sequence)
    }

    fn bytes(&self) -> u64 {
        self.header.pictures_bytes()
    }
}

impl Pictures {
    fn read_now(&self) -> Result<Vec<Picture>, NoPictures> {
        let read = self.segment.read_pictures(self.offset, &self.header);
        let (sequence, offset) = (self.sequence, self.offset);
        let what = || format!("the pictures of record {sequence} at {offset}");

        let read = self.asking.judge(&self.segment, read, what);
        read.map_err(|error| match error {
            ReadError::Unanswered(..) => NoPictures::NotNow(error.to_string()),
            _ => NoPictures::Lost(error.to_string()),
        })
    }
}
