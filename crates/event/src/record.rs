//! A record: one event as it waits to be delivered, wherever it is kept, and what becomes of it.
//!
//! Promises: a record is plain data, whatever it was read from; its debug form shows the place and
//! nothing of the person. Deliberately holds no picture: they are large, and are read when needed.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::{EventId, Feed, Lane, PersonType, Picture, Revision, Sequence, Timestamp};

#[derive(Clone)]
pub struct Record {
    /// Its place among all records of its source.
    pub sequence: Sequence,
    pub received_at: Timestamp,
    pub id: EventId,
    pub revision: Revision,
    pub person_type: PersonType,
    pub feed: Feed,
    pub lane: Lane,
    /// The event's JSON.
    pub event: Bytes,
    pub has_pictures: bool,
    /// The id of the replay that it comes with; `None` if it is live.
    pub replay: Option<String>,
    /// Of one that was set aside and is sent again.
    pub resent: Option<Box<Resent>>,
    pub appended_before_this_process: bool,
    /// Of one that comes over a bus; `event` is then the message's payload.
    pub carried: Option<Arc<Carried>>,
    pub picture_reader: Arc<dyn ReadPictures>,
}

/// What a message had beside its payload when it went to the bus.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried {
    pub key: String,
    pub attributes: Vec<(&'static str, String)>,
    /// The bus's own time of it.
    pub timestamp: Timestamp,
    /// Where it stands there, for people.
    pub place: String,
}

/// What a record was before it was set aside: the source that sends it again numbers it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resent {
    /// Under which it is set aside.
    pub name: Arc<str>,
    /// Its place in the log.
    pub sequence: Sequence,
    /// Of another log than the one that is open; `None` if it is of this one.
    pub epoch: Option<Arc<str>>,
}

impl Record {
    /// Its place in the log; `None` if that was another log.
    pub fn sequence_in_log(&self) -> Option<Sequence> {
        match &self.resent {
            None => Some(self.sequence),
            Some(resent) => Some(resent.sequence).filter(|_| resent.epoch.is_none()),
        }
    }

    /// Its pictures, in the order of [`crate::PictureKind::ALL`]. They are there while the record
    /// has no outcome, unless they rotted.
    pub async fn pictures(&self) -> Result<Vec<Picture>, NoPictures> {
        match self.pictures_at_hand() {
            Some(pictures) => Ok(pictures),
            None => Arc::clone(&self.picture_reader).read().await,
        }
    }

    /// The same, where nothing has to be read for them.
    pub fn pictures_at_hand(&self) -> Option<Vec<Picture>> {
        self.picture_reader.at_hand()
    }

    /// Bytes of all its pictures.
    pub fn pictures_bytes(&self) -> u64 {
        self.picture_reader.bytes()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence", &self.sequence)
            .field("lane", &self.lane)
            .field("replay", &self.replay)
            .finish()
    }
}

/// Reads the pictures of one record from where they are kept.
pub trait ReadPictures: Send + Sync {
    fn read(self: Arc<Self>) -> Reading;

    /// What is in memory already; all of them or nothing.
    fn at_hand(&self) -> Option<Vec<Picture>> {
        None
    }

    fn bytes(&self) -> u64;
}

/// Pictures on their way.
pub type Reading = Pin<Box<dyn Future<Output = Result<Vec<Picture>, NoPictures>> + Send>>;

/// Why there are no pictures.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPictures {
    /// Where they are kept does not answer. It is asked again later: nothing ends for that.
    #[error("{0}")]
    NotNow(String),
    /// They will not come.
    #[error("{0}")]
    Lost(String),
}

/// Pictures that are in memory already.
impl ReadPictures for Vec<Picture> {
    fn read(self: Arc<Self>) -> Reading {
        Box::pin(std::future::ready(Ok(Vec::clone(&self))))
    }

    fn at_hand(&self) -> Option<Vec<Picture>> {
        Some(self.clone())
    }

    fn bytes(&self) -> u64 {
        self.iter().map(|picture| picture.bytes.len() as u64).sum()
    }
}

/// What became of a record at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    SetAside,
    /// A rule of the config ended it.
    Expired {
        rule: &'static str,
    },
}
