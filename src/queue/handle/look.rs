//! Looking records up in a queue that runs.
//!
//! Promises: it happens beside everything else, on threads of its own and few at once, and a caller that goes away is heard of by nobody.

use std::io;
use std::sync::Arc;

use super::Queue;
use crate::queue::follow::found_record;
use crate::queue::inspect::{self, Hit, Page, Search};
use crate::queue::log::Log;
use crate::queue::open_queue::OpenQueue;
use crate::system::fault;
use boxbridge_event::{Record, Sequence, Timestamp};

impl Queue {
    /// Looks records up, newest first: all that were appended when it begins. An error where the disk does not answer now.
    pub async fn search(&self, search: Search) -> io::Result<Page<Record>> {
        self.look(move |open| {
            let page = inspect::search_segments(&open.log.segments(), &search)?;
            let reader = Arc::from("a search");
            Ok(page.map(|hit| record(&open.log, &reader, hit)))
        })
        .await
    }

    /// The oldest record that is there, and when it came: how far back a search or a replay reaches.
    pub async fn oldest(&self) -> io::Result<Option<(Sequence, Timestamp)>> {
        self.look(|open| open.log.oldest_record()).await
    }

    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&OpenQueue) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.open.looks).acquire_owned().await;
        let open = Arc::clone(&self.open);
        let looked = tokio::task::spawn_blocking(move || {
            let _place = place;
            look(&open)
        });

        let ended = fault::joined(looked.await);
        ended.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
    }
}

fn record(log: &Log, reader: &Arc<str>, hit: Hit) -> Record {
    let at = (hit.segment, hit.entry.offset);
    found_record(log, reader, hit.header, at, hit.event)
}
