//! Every picture that can be shown, by its name: out of the queue, or out of the store.
//!
//! Promises: a picture is found before the store has it, and while the store is down; what is found has the hash that its name says.
//! Pictures on their way to viewers take bounded memory. Deliberately looks in no store but the one that references mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::queue::Queue;
use crate::send::store::Store;
use boxbridge_event::{Event, Picture, PictureName, Sequence};

/// Pictures that are read at once: each may be as large as the largest.
const READ_AT_ONCE: usize = 2;
/// Twice what a box may send by default: what is larger in the store is not read.
const LARGEST: u64 = 16 << 20;
/// Of pictures on their way to viewers: eighty of the usual size.
const ROOM_KIB: usize = 16 << 10;
/// A person waits no longer, neither for a store nor for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Album {
    queue: Queue,
    store: Arc<Store>,
    reading: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// A picture, and the room that it takes until it is dropped.
pub struct Held {
    pub bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Why no picture is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotShown {
    /// Neither the queue nor the store has it.
    Gone,
    /// For people: it may be asked for again.
    NotNow(String),
}

impl Album {
    pub fn new(queue: Queue, store: Arc<Store>) -> Album {
        Album {
            queue,
            store,
            reading: Arc::new(Semaphore::new(READ_AT_ONCE)),
            room: Arc::new(Semaphore::new(ROOM_KIB)),
        }
    }

    /// `record` is one that had the picture; without it all that are still in the queue are looked through.
    pub async fn find(
        &self,
        name: &PictureName,
        record: Option<Sequence>,
    ) -> Result<Held, NotShown> {
        let busy = || NotShown::NotNow("too many pictures are asked for at once".to_owned());
        let reading = timeout(PATIENCE, Arc::clone(&self.reading).acquire_owned()).await;
        let Ok(Ok(_reading)) = reading else {
            return Err(busy());
        };

        let bytes = self.read(name, record).await?;
        let kib = (bytes.len() / 1024 + 1).min(ROOM_KIB);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(kib)).await;
        match room {
            Ok(Ok(room)) => Ok(Held { bytes, _room: room }),
            _ => Err(busy()),
        }
    }

    /// Those of an event, for a message that carries them: out of its record, else out of the store. What does not come within
    /// `PATIENCE` is left out: other events of the device wait meanwhile.
    pub async fn of_event(&self, event: &Event, record: Option<Sequence>) -> Vec<Picture> {
        let mut found = Vec::new();
        let all = async {
            for (kind, reference) in event.pictures.iter() {
                let Some(name) = PictureName::at_end_of(&reference.key) else {
                    continue;
                };
                if let Some(bytes) = self.of_record(&name, record).await {
                    found.push(Picture { kind, bytes });
                }
            }
        };

        let _ = timeout(PATIENCE, all).await;
        found
    }

    async fn of_record(&self, name: &PictureName, record: Option<Sequence>) -> Option<Bytes> {
        if let Some(record) = record
            && let Ok(Some(bytes)) = self.queue.picture_of(record, name.clone()).await
        {
            return Some(bytes);
        }
        self.in_store(name).await.ok().flatten()
    }

    async fn read(&self, name: &PictureName, record: Option<Sequence>) -> Result<Bytes, NotShown> {
        let in_queue = match record {
            Some(record) => self.queue.picture_of(record, name.clone()).await,
            None => self.queue.picture(name.clone()).await,
        };
        if let Ok(Some(bytes)) = in_queue {
            return Ok(bytes);
        }

        match self.in_store(name).await? {
            Some(bytes) => Ok(bytes),
            None => Err(in_queue.map_or_else(not_now, |_| NotShown::Gone)),
        }
    }

    async fn in_store(&self, name: &PictureName) -> Result<Option<Bytes>, NotShown> {
        let read = timeout(PATIENCE, self.store.read(name.as_str(), LARGEST)).await;
        let read = read.map_err(|_| not_now("the store does not answer"))?;
        let bytes = read.map_err(not_now)?;

        match bytes {
            Some(bytes) if !name.names(&bytes) => {
                tracing::error!(
                    key = name.as_str(),
                    "the store has something else under the name of a picture"
                );
                Ok(None)
            }
            bytes => Ok(bytes),
        }
    }
}

fn not_now(why: impl ToString) -> NotShown {
    NotShown::NotNow(why.to_string())
}
