//! The picture store: where it is, where it was before (kept in `data_dir/places`), its syncs and its cleaning.
//!
//! Promises: a changed `send.store.url` leaves no dead links: pictures that the former store had settled by the first start with the new one
//! are looked for there, as long as the log holds a record of them. Deliberately stops no start: if the file cannot be written, this run
//! still knows, and a warning is logged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::tasks::Tasks;
use crate::queue::Queue;
use crate::route::PictureLocations;
use crate::send::store::{self, Store};
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use boxbridge_config::{Config, StoreUrl};
use boxbridge_event::Sequence;

/// Where pictures are by the settings alone.
pub fn configured(config: &Config) -> PictureLocations {
    let store = config.send.store();
    let (root, prefix) = match &store.url {
        StoreUrl::File(path) => (
            std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            String::new(),
        ),
        StoreUrl::S3(bucket) => (PathBuf::new(), store::prefix(bucket)),
    };
    PictureLocations::new(store, &root, &prefix)
}

/// Where pictures are, also those that the store had settled before it moved. To be asked before the store's cursor moves.
pub(in crate::app) fn locations(config: &Config, disk: &Disk, queue: &Queue) -> PictureLocations {
    let path = config.data_dir.join("places");
    let configured = configured(config);
    let last = match noted(disk, &path) {
        Ok(Some(last)) => last,
        Ok(None) => return note(disk, &path, configured),
        // A note that cannot be read now is not overwritten: the next start reads it.
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "where the picture store was cannot be read");
            return configured;
        }
    };

    if configured.has_moved_from(&last) {
        say_moved(queue);
    }
    let oldest = queue.status().oldest.unwrap_or(Sequence(u64::MAX));
    let locations = configured.after(last.clone(), queue.settled(), oldest);
    if locations == last {
        locations
    } else {
        note(disk, &path, locations)
    }
}

/// What the last start noted; `None` if that was none, or is damaged.
fn noted(disk: &Disk, path: &Path) -> io::Result<Option<PictureLocations>> {
    let text = disk.read_if_there(path)?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

fn note(disk: &Disk, path: &Path, locations: PictureLocations) -> PictureLocations {
    let written = serde_json::to_vec(&locations)
        .map_err(io::Error::from)
        .and_then(|text| disk.replace(path, &text));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "where the picture store is cannot be noted");
    }
    locations
}

fn say_moved(queue: &Queue) {
    let subscriptions = queue.status().subscriptions;
    let waiting: u64 = subscriptions
        .iter()
        .filter(|subscription| subscription.destination == boxbridge_config::STORE)
        .map(|subscription| subscription.waiting)
        .sum();
    tracing::warn!(
        waiting,
        "the picture store has moved: waiting pictures go to the new one, those that the former one has settled are looked for there"
    );
}

/// Syncs, from now on, what is written; its cursor passes on disk no record before that.
pub(super) fn keep_synced(name: &str, store: &Arc<Store>, queue: &Queue, tasks: &Tasks) {
    let Some(written) = store.written() else {
        return;
    };
    queue.stand_on(name, written);

    let store = Arc::clone(store);
    tasks.keep_on("store.sync", move || {
        let store = Arc::clone(&store);
        async move { store.keep_synced().await }
    });
}

/// Removes, from now on, the pictures whose time is over.
pub(super) fn keep_clean(store: &Arc<Store>, clock: &Arc<Clock>, tasks: &Tasks) {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));

    tasks.keep_on("store.keep", move || {
        let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
        async move { store.keep_clean(&clock).await }
    });
}
