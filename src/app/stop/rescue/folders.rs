//! The two folders that a gateway keeps things in, as one list: set-aside events first, then bodies in quarantine.
//!
//! Promises: reads and removes off the runtime. Deliberately judges nothing that it reads.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::gateway::kept::{Aside, KeptRecord, Quarantine, QuarantineHead};
use crate::system::fault::Fault;

#[derive(Clone)]
pub(in crate::app) struct Folders {
    pub aside: Arc<Aside>,
    pub quarantine: Arc<Quarantine>,
}

/// A file, by its name in its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Event(String),
    Body(String),
}

/// What a file holds.
pub(super) enum Kept {
    Event(Box<KeptRecord>),
    Body(Box<QuarantineHead>, Bytes),
}

impl Folders {
    pub(super) fn count(&self) -> usize {
        self.aside.usage().0 + self.quarantine.usage().0
    }

    pub(super) fn next_behind(&self, last: Option<&Place>) -> Option<Place> {
        let event = |last: Option<&str>| self.aside.names_after(last, 1).pop().map(Place::Event);
        let body = |last: Option<&str>| self.quarantine.names_after(last, 1).pop().map(Place::Body);
        match last {
            None => event(None).or_else(|| body(None)),
            Some(Place::Event(name)) => event(Some(name)).or_else(|| body(None)),
            Some(Place::Body(name)) => body(Some(name)),
        }
    }

    /// `None` where it is not there any more.
    pub(super) async fn read(&self, place: &Place) -> io::Result<Option<Kept>> {
        let (folders, place) = (self.clone(), place.clone());
        off_the_runtime(move || match &place {
            Place::Event(name) => {
                let record = folders.aside.read(name)?;
                Ok(record.map(|record| Kept::Event(Box::new(record))))
            }
            Place::Body(name) => {
                let Some(body) = folders.quarantine.read(name)? else {
                    return Ok(None);
                };
                let bytes = body.bytes()?;
                Ok(Some(Kept::Body(Box::new(body.head), bytes)))
            }
        })
        .await
    }

    pub(super) async fn remove(&self, place: &Place) -> io::Result<()> {
        let (folders, place) = (self.clone(), place.clone());
        off_the_runtime(move || match &place {
            Place::Event(name) => folders.aside.remove(name).map(drop),
            Place::Body(name) => folders.quarantine.remove(name).map(drop),
        })
        .await
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(io::Error::other(Fault)))
}
