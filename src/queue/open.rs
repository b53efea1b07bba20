//! Opening and closing: recovery, cursors, threads; and all of it in reverse.
//!
//! Promises: either everything is as it was durable, or the error names what is in the way; opening twice is refused.
//! Deliberately leaves no half-open queue behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::duplicates::Duplicates;
use super::follower::{self, Follower, Kept, everything};
use super::gone::{self, Stretch};
use super::inner::Inner;
use super::intake::{Intake, Work};
use super::layout::Counts;
use super::lock::lock_patiently;
use super::log::Log;
use super::manifest::{self, Manifest};
use super::progress::Change;
use super::recover::{self, FRESH};
use super::settings::{OpenError, Settings};
use super::slots::Slots;
use super::space;
use super::writer::Writer;
use crate::fault::Fault;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::volume;
use boxbridge_event::{Lane, PersonType};

/// The directory below `data_dir`.
pub(super) const DIRECTORY: &str = "queue";

/// The two threads of an open queue.
pub(super) struct Threads {
    writer: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

pub(super) fn open(
    settings: Settings,
    destinations: &[&str],
) -> Result<(Arc<Inner>, Threads), OpenError> {
    let directory = settings.data_dir.join(DIRECTORY);
    let disk = settings.disk.with_spare_descriptors();
    // Events hold names, and pictures: they are not for every user of the machine.
    volume::private_folder(&disk, &directory).map_err(OpenError::io("creating", &directory))?;
    let lock = lock_patiently(&disk, &settings.data_dir)?;
    // A segment in the making when the process ended: it never had a name.
    let _ = disk.remove(&directory.join(FRESH));
    let found = recover::list(&disk, &directory)?;
    let (mut manifest, mut slots) = Manifest::open(
        &disk,
        &directory,
        found.first().map(|segment| segment.header.epoch),
    )?;
    let recovered = recover::recover(&disk, &directory, found)?;
    recovered.age(&Clock::open(&disk, &settings.data_dir));
    let kept = load(&disk, &directory, &manifest, destinations)?;
    let counts = kept
        .iter()
        .map(|(_, _, kept)| kept.log())
        .fold(recovered.counts, most);
    let log = Log::open(
        directory.clone(),
        disk,
        settings.unread_max,
        manifest.epoch_bytes(),
        recovered.segments,
        counts,
    );
    let log = log.map_err(OpenError::io("opening", &directory))?;
    recovered
        .rotten
        .into_iter()
        .for_each(|gone| log.rotted(gone));
    let number = manifest.next_segment.max(recovered.number);
    manifest.next_segment = number;

    let gone = step_over(&log, &manifest, destinations, &kept);
    if gone != manifest.gone {
        manifest.gone = gone;
        slots
            .write_both(&manifest.text())
            .map_err(OpenError::io("writing", &manifest::path(&directory)))?;
    }
    let returned = gone::returned(&log, &manifest.gone);
    for Stretch { from, to } in &returned {
        tracing::error!(
            from,
            to,
            "records that counted as rotten stand in a segment again: they go out as a replay"
        );
    }
    let followers = follow(&log, &manifest, destinations, kept, &returned)?;
    manifest.gone = gone::without(&manifest.gone, &returned);

    // An empty log has nothing that a stop could have cut short.
    let was_clean = manifest.clean || log.counts().last() == 0;
    manifest.clean = false;
    manifest.destinations = destinations.iter().map(|name| (*name).to_owned()).collect();
    slots
        .write_both(&manifest.text())
        .map_err(OpenError::io("writing", &manifest::path(&directory)))?;
    let inner = Arc::new(Inner {
        last_at_start: log.counts().last(),
        settings,
        log,
        followers,
        intake: Intake::new(),
        poisoned: watch::Sender::new(false),
        full: Default::default(),
        syncing: Default::default(),
        writing: Default::default(),
        was_clean,
        manifest: Mutex::new((manifest, slots)),
        lock: Mutex::new(Some(lock)),
        closing: Default::default(),
        growth: Default::default(),
    });
    let mut duplicates = Duplicates::new(
        inner.settings.dedupe_window,
        inner.settings.dedupe_max_events,
    );
    duplicates
        .load(&inner.log)
        .map_err(OpenError::io("reading the indexes of", &directory))?;
    let threads = start(
        &inner,
        Writer::new(
            inner.clone(),
            duplicates,
            recovered.unsealed,
            number,
            recovered.write,
        ),
    )
    .map_err(OpenError::io("starting a thread for", &directory))?;
    Ok((inner, threads))
}

type KeptCursor = (String, Lane, Kept);

/// The slots of every destination, of those that are configured and of those that once were.
fn load(
    disk: &Disk,
    directory: &Path,
    manifest: &Manifest,
    destinations: &[&str],
) -> Result<Vec<KeptCursor>, OpenError> {
    let former = manifest
        .destinations
        .iter()
        .map(String::as_str)
        .filter(|name| !destinations.contains(name));
    let mut kept = Vec::new();
    for destination in destinations.iter().copied().chain(former) {
        // The normal lane first: it carries the replay where either is unreadable, and must do so before the other joins anew.
        for lane in [Lane::Normal, Lane::Urgent] {
            let path = super::follower::path(directory, destination, lane);
            let slots = Kept::load(disk, directory, destination, lane, &manifest.epoch);
            let mut slots = slots.map_err(OpenError::io("reading", &path))?;
            if !manifest
                .destinations
                .iter()
                .any(|known| known == destination)
            {
                // From a time before it was switched off: it joins anew.
                slots.saved = None;
            }
            kept.push((destination.to_owned(), lane, slots));
        }
    }
    Ok(kept)
}

/// The cursors of the configured destinations. One that is not configured any more must have nothing waiting.
fn follow(
    log: &Log,
    manifest: &Manifest,
    destinations: &[&str],
    kept: Vec<KeptCursor>,
    returned: &[Stretch],
) -> Result<Vec<Arc<Follower>>, OpenError> {
    let is_lost = |name: &str| {
        kept.iter()
            .any(|(destination, _, kept)| destination == name && kept.is_unreadable())
    };
    let mut replays: Vec<String> = manifest
        .destinations
        .iter()
        .filter(|name| is_lost(name))
        .cloned()
        .collect();
    nothing_waits(log, destinations, &kept)?;
    let mut followers = Vec::new();
    for (destination, lane, kept) in kept {
        if !destinations.contains(&destination.as_str()) {
            continue;
        }
        let replay = replays
            .iter()
            .position(|name| *name == destination)
            .filter(|_| lane == Lane::Normal);
        let again: Vec<_> = match (&kept.saved, replay) {
            (_, Some(place)) => {
                let name = replays.swap_remove(place);
                tracing::error!(
                    destination.name = name,
                    "a cursor is unreadable: everything that is kept goes out again"
                );
                everything(log).into_iter().collect()
            }
            (Some(saved), None) if lane == Lane::Normal => follower::of_returned(saved, returned),
            _ => Vec::new(),
        };
        let path = super::follower::path(&log.directory, &destination, lane);
        let follower = Follower::open(log, &destination, lane, kept, again)
            .map_err(OpenError::io("writing", &path))?;
        followers.push(Arc::new(follower));
    }
    Ok(followers)
}

/// Whether a destination that is not configured any more has had everything, in both lanes.
fn nothing_waits(log: &Log, destinations: &[&str], kept: &[KeptCursor]) -> Result<(), OpenError> {
    let mut waiting: BTreeMap<&str, u64> = BTreeMap::new();
    for (destination, lane, kept) in kept
        .iter()
        .filter(|(name, ..)| !destinations.contains(&name.as_str()))
    {
        let Some(saved) = &kept.saved else { continue };
        let of_lane = log
            .waiting(*lane, |person_type| saved.position(person_type))
            .map_err(OpenError::io("reading the indexes of", &log.directory))?;
        *waiting.entry(destination).or_default() += of_lane;
    }
    match waiting.into_iter().find(|(_, waiting)| *waiting > 0) {
        None => Ok(()),
        Some((destination, waiting)) => Err(OpenError::Waiting {
            destination: destination.to_owned(),
            waiting,
        }),
    }
}

/// What the log lacks before any cursor that is to count it, and what it lacked before.
fn step_over(
    log: &Log,
    manifest: &Manifest,
    destinations: &[&str],
    kept: &[KeptCursor],
) -> Vec<Stretch> {
    let followed = kept
        .iter()
        .filter(|(name, ..)| destinations.contains(&name.as_str()));
    let saved = followed.filter_map(|(_, _, kept)| kept.saved.as_ref());
    let positions = saved.flat_map(|saved| {
        PersonType::ALL
            .iter()
            .map(|person_type| saved.position(*person_type))
    });
    let missing = positions
        .min()
        .map(|position| gone::missing(log, position))
        .unwrap_or_default();
    gone::joined(manifest.gone.iter().copied().chain(missing).collect())
}

fn most(left: Counts, right: Counts) -> Counts {
    let mut most = left;
    for (most, right) in most.0.iter_mut().flatten().zip(right.0.iter().flatten()) {
        *most = (*most).max(*right);
    }
    most
}

fn start(inner: &Arc<Inner>, writer: Writer) -> std::io::Result<Threads> {
    let (of_writer, of_keeper) = (Watch(inner.clone()), Watch(inner.clone()));
    let writer = std::thread::Builder::new()
        .name("queue-writer".to_owned())
        .spawn(move || {
            let _watch = of_writer;
            writer.run();
        })?;
    let keeper = std::thread::Builder::new()
        .name("queue-keeper".to_owned())
        .spawn(move || super::keeper::run(&of_keeper.0))?;
    Ok(Threads { writer, keeper })
}

/// A thread that dies leaves the log as untrustworthy as a disk that does.
struct Watch(Arc<Inner>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(&std::io::Error::other(Fault));
            // Nobody answers what waits: those who wait for it hear that by its end.
            self.0.intake.close();
            while let Work::Write(_) = self.0.intake.take(u64::MAX, None) {}
        }
    }
}

/// Ends both threads, with everything written that was handed over, and lets go of the directory.
pub(super) fn close(inner: &Inner, threads: Threads) {
    inner.intake.close();
    let writer = threads.writer.join();
    inner.closing.close();
    let keeper = threads.keeper.join();
    if !inner.is_poisoned() && writer.is_ok() && keeper.is_ok() {
        write_last(inner);
    }
    inner
        .lock
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
}

fn write_last(inner: &Inner) {
    let mut manifest = inner
        .manifest
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let (manifest, slots): &mut (Manifest, Slots) = &mut manifest;
    manifest.clean = true;
    let newest = inner
        .log
        .state()
        .segments
        .back()
        .map_or(0, |segment| segment.header.number);
    manifest.next_segment = manifest.next_segment.max(newest + 1);
    // Each says how far the log has come, also where nothing of it was answered.
    for follower in &inner.followers {
        let mut progress = follower.progress();
        progress.change = progress.change.max(Change::Passed);
    }
    if !space::flush(inner, Change::Passed) {
        tracing::error!(path = %inner.log.directory.display(), "cursors could not be written at the end: some records go out again");
    } else if let Err(error) = slots.write_both(&manifest.text()) {
        tracing::warn!(%error, path = %manifest::path(&inner.log.directory).display(), "the next start takes this stop for a crash");
    }
}
