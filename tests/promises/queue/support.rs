//! What the tests of the queue share: events that can be told apart, bounded waits, small queues.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use boxbridge::queue::{Appended, Cursor, Entry, Outcome, Queue, Record, Settings, Status};
use boxbridge::system::disk::Disk;
use boxbridge_event::{
    Clock, ClockSource, Device, Event, EventId, Feed, Lane, PersonType, Picture, PictureKind,
    PictureReference, PictureState, Revision, Timestamp,
};
use sha2::{Digest, Sha256};

pub use crate::parts::PATIENCE;

pub async fn step<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("the queue did not answer")
}

/// What is not there yet after a moment: for "nothing comes" only.
pub async fn nothing<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(50), future)
        .await
        .is_err()
}

/// Until something is so that nobody tells.
pub async fn until(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let late = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < late, "never: {}", what());
        // The pause between two looks.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Segments of 64 KiB in a budget of 16 MiB, and nothing in memory: what comes out is what the disk holds.
pub fn settings(dir: &Path) -> Settings {
    Settings {
        segment_bytes: 64 << 10,
        recent_event_bytes: 0,
        recent_picture_bytes: 0,
        ..Settings::new(dir, 16 << 20)
    }
}

pub fn open(dir: &Path, destinations: &[&str]) -> Queue {
    open_on(Disk::default(), dir, destinations)
}

pub fn open_on(disk: Disk, dir: &Path, destinations: &[&str]) -> Queue {
    let settings = Settings {
        disk,
        ..settings(dir)
    };
    Queue::open(settings, destinations).expect("opens")
}

pub fn picture(kind: PictureKind, seed: u64, bytes: usize) -> Picture {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    Picture {
        kind,
        bytes: noise.take(bytes).collect::<Vec<u8>>().into(),
    }
}

pub fn entry(number: u64, person_type: PersonType, lane: Lane, pictures: &[Picture]) -> Entry {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let mut event = Event {
        id: EventId(id),
        revision: Revision(1),
        feed: Feed::Realtime,
        dialect: Default::default(),
        occurred_at: Timestamp(number as i64),
        received_at: Timestamp::now(),
        act_before: Default::default(),
        person_type,
        identity: Default::default(),
        matched: Default::default(),
        device: Device {
            id: "192.168.1.1".to_owned(),
            ..Device::default()
        },
        origin: Default::default(),
        clock: Clock {
            from: ClockSource::Box,
            skew_ms: None,
        },
        pictures: Default::default(),
        quality: Default::default(),
        source: Default::default(),
        extra: Default::default(),
        warnings: Vec::new(),
    };
    for picture in pictures {
        let digest: String = Sha256::digest(&picture.bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        *event.pictures.slot(picture.kind) = Some(PictureReference {
            key: digest.clone(),
            sha256: digest,
            bytes: picture.bytes.len() as u64,
            media_type: "image/jpeg".to_owned(),
            width: None,
            height: None,
            state: PictureState::Ok,
        });
    }
    Entry {
        event,
        pictures: pictures.to_vec(),
        lane,
        live_revision: None,
        pass: None,
    }
}

/// The number that [`entry`] was made with.
pub fn event_number(record: &Record) -> u64 {
    let event: Event = serde_json::from_slice(&record.event).expect("an event");
    u64::from_be_bytes(event.id.0[..8].try_into().expect("8 bytes"))
}

/// accepted = delivered + set aside + expired + waiting, for everyone.
pub fn assert_identity(queue: &Queue) {
    for subscription in queue.status().subscriptions {
        assert_eq!(
            subscription.accepted,
            subscription.tally.total() + subscription.waiting,
            "{subscription:?}"
        );
    }
}

pub async fn append(
    queue: &Queue,
    numbers: impl IntoIterator<Item = u64>,
    person_type: PersonType,
    lane: Lane,
) {
    for number in numbers {
        let appended = step(queue.append(entry(number, person_type, lane, &[])))
            .await
            .expect("room");
        assert!(matches!(appended, Appended::Stored(_)));
    }
}

/// (accepted, answered, waiting)
pub fn sizes(status: &Status, destination: &str, lane: Lane) -> (u64, u64, u64) {
    let subscription = status
        .subscriptions
        .iter()
        .find(|subscription| subscription.destination == destination && subscription.lane == lane);
    let subscription = subscription.expect("a subscription");
    (
        subscription.accepted,
        subscription.tally.total(),
        subscription.waiting,
    )
}

/// Reads and answers so many records; their numbers.
pub async fn drain(cursor: &mut Cursor, records: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..records {
        let record = step(cursor.next()).await;
        numbers.push(event_number(&record));
        cursor.answer(record.sequence, Outcome::Delivered);
    }
    numbers
}

/// The directory as a kill at this instant would leave it.
pub fn killed(dir: &Path) -> tempfile::TempDir {
    let copy = directory();
    copy_directory(dir, copy.path());
    copy
}

/// In memory where there is such a place: some tests open some thousand queues.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a directory")
}

/// Copying takes a moment in which the keeper works on. What is durable first is copied last: verdicts, then cursors, then
/// what they allow to be deleted.
pub fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    let mut entries: Vec<_> = std::fs::read_dir(from)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let rank = |path: &Path| match path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
    {
        name if name.starts_with("cursor-") => 1,
        name if name.starts_with("verdicts-") => 2,
        _ => 0,
    };
    entries.sort_by_key(|path| rank(path));
    for path in entries {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            // A file can be renamed or deleted under us, as it can under a kill.
            let _ = std::fs::copy(&path, target);
        }
    }
}

/// The files of the queue whose names start so, sorted.
pub fn files(dir: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir.join("queue")).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    files.sort();
    files
}
