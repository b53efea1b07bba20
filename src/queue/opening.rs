//! Opening: what lies on disk → the log, its cursors, and the two threads.
//!
//! Promises: either everything is as it was durable, or the error names what is in the way; opening twice is refused.
//! Deliberately leaves no half-open queue behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::cursors::FoundCursors;
use super::append::{Duplicates, Gauges, Intake, Shared, Writer};
use super::follow::Subscriptions;
use super::log::missing_segments::{self, Stretch};
use super::log::recover::{self, Recovered};
use super::log::segments::State;
use super::log::{
    DIRECTORY, FRESH, Lock, Log, Manifest, OpenError, Recent, Slots, Unsealed, lock_patiently,
    manifest,
};
use super::open_queue::{LOOKS_MAX, OpenQueue};
use super::settings::Settings;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::volume;
use boxbridge_config::Current;

mod cursors;
mod threads;

pub(super) use threads::{Threads, close};

/// What the disk tells before anything is made of it.
struct Found {
    disk: Disk,
    directory: PathBuf,
    lock: Lock,
    manifest: Manifest,
    slots: Slots,
    recovered: Recovered,
    cursors: FoundCursors,
}

/// What only the writer needs.
struct ForWriter {
    unsealed: Vec<Unsealed>,
    /// Of the next segment, and of the next write.
    number: u64,
    write: u64,
}

pub(super) fn open(
    settings: Settings,
    destinations: &[&str],
) -> Result<(Arc<OpenQueue>, Threads), OpenError> {
    let found = find(&settings, destinations)?;
    let (queue, for_writer) = take_up(settings, destinations, found)?;

    let directory = &queue.log.directory;
    let mut duplicates = Duplicates::new(&queue.rules.now());
    duplicates
        .load(&queue.log)
        .map_err(OpenError::io("reading the indexes of", directory))?;

    let writer = Writer::new(
        shared(&queue),
        duplicates,
        for_writer.unsealed,
        for_writer.number,
        for_writer.write,
    );
    let threads = threads::start(&queue, writer)
        .map_err(OpenError::io("starting a thread for", directory))?;
    Ok((queue, threads))
}

/// Takes the directory, and reads it.
fn find(settings: &Settings, destinations: &[&str]) -> Result<Found, OpenError> {
    let directory = settings.data_dir.join(DIRECTORY);
    let disk = settings.disk.clone().with_spare_descriptors();
    // Events hold names, and pictures: they are not for every user of the machine.
    volume::private_folder(&disk, &directory).map_err(OpenError::io("creating", &directory))?;
    let lock = lock_patiently(&disk, &settings.data_dir)?;
    // A segment in the making when the process ended: it never had a name.
    let _ = disk.remove(&directory.join(FRESH));

    let segments = recover::list(&disk, &directory)?;
    let epoch = segments.first().map(|segment| segment.header.epoch);
    let (manifest, slots) = Manifest::open(&disk, &directory, epoch)?;

    let recovered = recover::recover(&disk, &directory, segments)?;
    recovered.age(&Clock::open(&disk, &settings.data_dir));
    let cursors = FoundCursors::load(&disk, &directory, &manifest, destinations)?;
    Ok(Found {
        disk,
        directory,
        lock,
        manifest,
        slots,
        recovered,
        cursors,
    })
}

/// The log and its cursors as they go on from here. The manifest says so on disk.
fn take_up(
    settings: Settings,
    destinations: &[&str],
    found: Found,
) -> Result<(Arc<OpenQueue>, ForWriter), OpenError> {
    let Found {
        directory,
        mut manifest,
        mut slots,
        recovered,
        cursors,
        ..
    } = found;
    let state = State {
        // Should the newest segment be lost, each slot says how far the log had come.
        counts: cursors.log().or_more(recovered.counts),
        segments: recovered.segments,
    };
    let log = Log::open(
        directory.clone(),
        found.disk,
        settings.unread_max,
        Recent::new(settings.recent_event_bytes, settings.recent_picture_bytes),
        manifest.epoch_bytes(),
        state,
    );
    let log = log.map_err(OpenError::io("opening", &directory))?;
    for gone in recovered.rotten {
        log.rotted(gone);
    }
    let for_writer = ForWriter {
        unsealed: recovered.unsealed,
        number: manifest.next_segment.max(recovered.number),
        write: recovered.write,
    };
    manifest.next_segment = for_writer.number;

    let returned = step_over_gone(&log, &mut manifest, &mut slots, destinations, &cursors)?;
    let subscriptions = cursors.follow(&log, &manifest, destinations, &returned)?;
    manifest.gone = missing_segments::without(&manifest.gone, &returned);
    // An empty log has nothing that a stop could have cut short.
    let was_clean = manifest.clean || log.counts().last() == 0;
    manifest.clean = false;
    manifest.destinations = destinations.iter().map(|name| (*name).to_owned()).collect();
    write(&mut slots, &manifest, &directory)?;

    let queue = OpenQueue {
        rules: Arc::new(Current::new(settings.rules())),
        settings,
        log: Arc::new(log),
        subscriptions: Arc::new(Subscriptions::new(subscriptions)),
        intake: Arc::new(Intake::new()),
        gauges: Arc::new(Gauges::default()),
        growth: Mutex::default(),
        was_clean,
        manifest: Mutex::new((manifest, slots)),
        lock: Mutex::new(Some(found.lock)),
        closing: Default::default(),
        looks: Arc::new(Semaphore::new(LOOKS_MAX)),
    };
    Ok((Arc::new(queue), for_writer))
}

/// Has the manifest say what is gone before any cursor counts it. Returns what has come back.
fn step_over_gone(
    log: &Log,
    manifest: &mut Manifest,
    slots: &mut Slots,
    destinations: &[&str],
    cursors: &FoundCursors,
) -> Result<Vec<Stretch>, OpenError> {
    let position = cursors.lowest_position(destinations);
    let missing = position.map(|position| missing_segments::missing(log, position));
    let known = manifest.gone.iter().copied();
    let gone = missing_segments::joined(known.chain(missing.unwrap_or_default()).collect());
    if gone != manifest.gone {
        manifest.gone = gone;
        write(slots, manifest, &log.directory)?;
    }

    let returned = missing_segments::returned(log, &manifest.gone);
    for Stretch { from, to } in &returned {
        tracing::error!(
            from,
            to,
            "records that counted as rotten stand in a segment again: they go out as a replay"
        );
    }
    Ok(returned)
}

fn write(slots: &mut Slots, manifest: &Manifest, directory: &Path) -> Result<(), OpenError> {
    slots
        .write_both(&manifest.text())
        .map_err(OpenError::io("writing", &manifest::path(directory)))
}

fn shared(queue: &OpenQueue) -> Shared {
    Shared {
        limits: queue.settings.disk_limits(),
        rules: Arc::clone(&queue.rules),
        log: Arc::clone(&queue.log),
        subscriptions: Arc::clone(&queue.subscriptions),
        intake: Arc::clone(&queue.intake),
        gauges: Arc::clone(&queue.gauges),
    }
}
