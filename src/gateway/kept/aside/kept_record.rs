//! A set-aside record as it is read back: its head, its event, and its pictures where they were kept with it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::{AsideHead, Name, PictureSize, short};
use crate::gateway::kept::folder::{Folder, KeptFile};
use crate::queue::Verdicts;
use crate::route::PicturesNow;
use crate::system::fault::Fault;
use boxbridge_event::{
    Event, NoPictures, Picture, ReadPictures, Reading, Record, Resent, Sequence,
};

pub struct KeptRecord {
    pub name: Arc<str>,
    pub head: AsideHead,
    /// The event's JSON, as in the queue.
    pub event: Bytes,
    /// Of another log than the one that is open.
    epoch: Option<Arc<str>>,
    folder: Arc<Folder>,
}

/// The pictures in a file of its name.
struct KeptPictures {
    name: Arc<str>,
    folder: Arc<Folder>,
    sizes: Vec<PictureSize>,
    /// Where they begin behind the head.
    from: u64,
}

impl KeptRecord {
    pub(super) fn read(
        name: &str,
        file: KeptFile,
        folder: &Arc<Folder>,
        open: &str,
    ) -> io::Result<KeptRecord> {
        let mut head = AsideHead::read(&file.head)?;
        let event = Bytes::from(file.read(0, head.event_bytes)?);
        if head.event.is_none() {
            head.add(serde_json::from_slice(&event).ok().as_ref());
        }

        let named = Name::of(name).map_or("", |name| name.epoch);
        let is_of_open = match &head.epoch {
            Some(epoch) => epoch == open,
            None => named == short(open),
        };
        let epoch = head.epoch.as_deref().unwrap_or(named);
        Ok(KeptRecord {
            name: name.into(),
            epoch: (!is_of_open).then(|| epoch.into()),
            head,
            event,
            folder: Arc::clone(folder),
        })
    }

    /// It as its destination gets it, under another number; `None` where its event cannot be read.
    pub fn into_record(self, sequence: Sequence, replay: &str) -> Option<Record> {
        let event: Event = serde_json::from_slice(&self.event).ok()?;
        let pictures = self.picture_reader();

        Some(Record {
            sequence,
            received_at: event.received_at,
            id: event.id,
            revision: event.revision,
            person_type: event.person_type,
            feed: event.feed,
            lane: self.head.lane,
            event: self.event,
            has_pictures: event.pictures.iter().next().is_some(),
            replay: Some(replay.to_owned()),
            resent: Some(Box::new(Resent {
                name: self.name,
                sequence: Sequence(self.head.sequence),
                epoch: self.epoch,
            })),
            appended_before_this_process: true,
            carried: None,
            picture_reader: Arc::new(pictures),
        })
    }

    /// The pictures that were kept with it.
    pub async fn pictures(&self) -> Result<Vec<Picture>, NoPictures> {
        Arc::new(self.picture_reader()).read().await
    }

    fn picture_reader(&self) -> KeptPictures {
        KeptPictures {
            name: Arc::clone(&self.name),
            folder: Arc::clone(&self.folder),
            from: self.event.len() as u64 + 1,
            sizes: self.head.pictures.clone(),
        }
    }

    /// What the store has settled about its pictures.
    pub fn settled(&self, verdicts: &Verdicts) -> PicturesNow {
        let of_open = self.head.person_type.filter(|_| self.epoch.is_none());
        let settled = of_open.and_then(|person_type| {
            verdicts.of(Sequence(self.head.sequence), self.head.lane, person_type)
        });
        settled.map_or(PicturesNow::Pending, PicturesNow::Settled)
    }

    /// The log that it is of; `None` if that is the open one.
    pub fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }
}

impl ReadPictures for KeptPictures {
    fn read(self: Arc<Self>) -> Reading {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || self.read_now()).await;
            read.unwrap_or_else(|_| Err(NoPictures::Lost(Fault.to_string())))
        })
    }

    fn bytes(&self) -> u64 {
        self.sizes.iter().map(|picture| picture.bytes).sum()
    }
}

impl KeptPictures {
    fn read_now(&self) -> Result<Vec<Picture>, NoPictures> {
        if self.sizes.is_empty() {
            return Err(lost("it was set aside without its pictures"));
        }
        let file = match self.folder.read(&self.name) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(lost("its file was taken away")),
            Err(error) => return Err(failed(&error)),
        };

        let mut from = self.from;
        let mut pictures = Vec::new();
        for PictureSize { kind, bytes } in self.sizes.iter().copied() {
            let read = file.read(from, bytes).map_err(|error| failed(&error))?;
            if read.len() as u64 != bytes {
                return Err(lost("its file ends too early"));
            }
            from += bytes;
            pictures.push(Picture {
                kind,
                bytes: read.into(),
            });
        }
        Ok(pictures)
    }
}

fn lost(why: &str) -> NoPictures {
    NoPictures::Lost(why.to_owned())
}

fn failed(error: &io::Error) -> NoPictures {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => lost("its file does not hold"),
        _ => NoPictures::NotNow(error.to_string()),
    }
}
