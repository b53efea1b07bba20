//! Where the picture store is, and where it was: kept in `data_dir/places`, so that a changed `send.store.url` leaves no dead links.
//!
//! Promises: what the former store had settled by the first start with another is looked for there, for as long as the log holds a record of
//! it. Deliberately stops no start: where this cannot be written, this run still knows, and it is said.

use std::io;
use std::path::Path;

use crate::queue::Queue;
use crate::route::PictureLocations;
use crate::system::disk::Disk;
use boxbridge_config::Config;
use boxbridge_event::Sequence;

/// As configured, with what is known of before. To be asked before the store's cursor moves.
pub fn places(config: &Config, disk: &Disk, queue: &Queue) -> PictureLocations {
    let path = config.data_dir.join("places");
    let configured = super::build::places(config);
    let last = match disk.read(&path) {
        // What is not read now is not overwritten: the next start reads it.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "where the picture store was cannot be read");
            return configured;
        }
        read => read
            .ok()
            .and_then(|text| serde_json::from_slice::<PictureLocations>(&text).ok()),
    };
    let Some(last) = last else {
        return keep(disk, &path, configured);
    };
    if configured.has_moved_from(&last) {
        let waiting = queue
            .status()
            .followers
            .iter()
            .filter(|follower| follower.destination == boxbridge_config::STORE)
            .map(|of| of.waiting)
            .sum::<u64>();
        tracing::warn!(
            waiting,
            "the picture store has moved: what waits goes to the new one, what the former has settled is looked for there"
        );
    }
    let oldest = queue.status().oldest.unwrap_or(Sequence(u64::MAX));
    let places = configured.after(last.clone(), queue.settled(), oldest);
    if places == last {
        places
    } else {
        keep(disk, &path, places)
    }
}

fn keep(disk: &Disk, path: &Path, places: PictureLocations) -> PictureLocations {
    let written = serde_json::to_vec(&places)
        .map_err(io::Error::from)
        .and_then(|text| disk.replace(path, &text));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "where the picture store is cannot be noted");
    }
    places
}
