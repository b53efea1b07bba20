//! What the disk does not do now is refused and tried again, and costs nothing that was answered: a roll that fails at any of its steps,
//! a read without an answer, a call that hangs.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use boxbridge::queue::{AppendError, Outcome, Queue, ROTTEN, Settings, inspect};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, NoPictures, PersonType, PictureKind};

use crate::parts::volume::Volume;
use crate::queue::support::{
    directory, drain, entry, event_number, files, killed, nothing, open, picture, settings, sizes,
    step, until,
};

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// An errno, and which calls fail with it.
type Failing = (i32, Arc<dyn Fn(Call, &Path) -> bool + Send + Sync>);

/// A disk that can be told which calls fail from now on.
#[derive(Clone, Default)]
struct Faults {
    failing: Arc<Mutex<Option<Failing>>>,
}

impl Faults {
    fn disk(&self) -> Disk {
        let faults = self.clone();
        Disk::failing(move |call, path| match &*faults.failing.lock().unwrap() {
            Some((error, rule)) if rule(call, path) => Err(io::Error::from_raw_os_error(*error)),
            _ => Ok(()),
        })
    }

    fn begin(&self, error: i32, rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static) {
        *self.failing.lock().unwrap() = Some((error, Arc::new(rule)));
    }

    fn end(&self) {
        *self.failing.lock().unwrap() = None;
    }
}

fn named(path: &Path, start: &str) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn small(number: u64) -> boxbridge::queue::Entry {
    entry(number, PersonType::Blacklist, Lane::Urgent, &[])
}

fn large(number: u64) -> boxbridge::queue::Entry {
    entry(
        number,
        PersonType::Visitor,
        Lane::Normal,
        &[picture(PictureKind::Face, number, 5_000)],
    )
}

/// Appends these, and says which were taken.
async fn append(
    queue: &Queue,
    entries: impl Iterator<Item = (u64, boxbridge::queue::Entry)>,
) -> BTreeSet<u64> {
    let mut taken = BTreeSet::new();
    for (number, entry) in entries {
        match step(queue.append(entry)).await {
            Ok(_) => drop(taken.insert(number)),
            Err(AppendError::NotNow { .. } | AppendError::DiskFull { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// Everything that was answered comes out after a kill at this moment, the books are exact, and nothing is rotten.
async fn all_come_out(dir: &Path, taken: &BTreeSet<u64>) {
    let copy = killed(dir);
    let queue = open(copy.path(), &["mqtt"]);
    let mut came = BTreeSet::new();
    for lane in [Lane::Urgent, Lane::Normal] {
        let (accepted, _, waiting) = sizes(&queue.status(), "mqtt", lane);
        assert_eq!(accepted, waiting);
        came.extend(drain(&mut queue.cursor("mqtt", lane).unwrap(), waiting as usize).await);
    }
    assert_eq!(queue.status().rotten_records, 0);
    queue.shutdown().await;
    let report = inspect::verify(copy.path()).unwrap();
    assert!(report.is_sound() && report.lost == 0, "{report:?}");
    assert!(
        came.is_superset(taken),
        "lost: {:?}",
        taken.difference(&came).collect::<Vec<_>>()
    );
}

/// The numbers of large events that fill some segments, and of small ones that fit behind any of them.
const LARGE: std::ops::Range<u64> = 1..40;
const SMALL: std::ops::Range<u64> = 100..120;

/// A life in which a roll goes wrong, and goes on as soon as it can.
async fn roll_fails(
    error: i32,
    rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static,
    takes_all: bool,
) {
    let dir = directory();
    let faults = Faults::default();
    let queue = Queue::open(
        Settings {
            disk: faults.disk(),
            ..settings(dir.path())
        },
        &["mqtt"],
    )
    .unwrap();
    step(queue.append(large(1_000))).await.unwrap();
    faults.begin(error, rule);
    let mut taken = append(&queue, LARGE.map(|number| (number, large(number)))).await;
    assert_eq!(
        taken.len() == LARGE.count(),
        takes_all,
        "{} taken",
        taken.len()
    );
    taken.extend(append(&queue, SMALL.map(|number| (number, small(number)))).await);
    taken.insert(1_000);
    let status = queue.status();
    assert!(
        !status.is_poisoned && status.is_refused != takes_all && !status.outages.is_empty(),
        "{status:?}"
    );
    all_come_out(dir.path(), &taken).await;

    faults.end();
    // Nobody sends to a gateway that is not ready: it finds out by itself.
    until(
        || "it takes events again".to_owned(),
        || !queue.status().is_refused,
    )
    .await;
    taken.extend(append(&queue, (200..240).map(|number| (number, large(number)))).await);
    assert!(taken.contains(&200) && taken.contains(&239));
    all_come_out(dir.path(), &taken).await;
    queue.shutdown().await;
    all_come_out(dir.path(), &taken).await;
    let overview = inspect::status(dir.path()).unwrap();
    assert!(
        overview.segments.iter().all(|segment| segment.is_sealed),
        "{overview:?}"
    );
}

#[tokio::test]
async fn a_next_segment_that_cannot_be_opened_is_refused_and_loses_nothing() {
    roll_fails(
        EMFILE,
        |call, path| call == Call::Create && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_next_segment_that_cannot_be_synced_is_thrown_away() {
    // Not even that: it is overwritten by the next attempt.
    roll_fails(
        EIO,
        |call, path| matches!(call, Call::Sync | Call::Remove) && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_next_segment_whose_name_is_not_durable_takes_nothing_and_neither_does_the_one_before() {
    roll_fails(
        ENOSPC,
        |call, path| call == Call::SyncDirectory && named(path, "queue"),
        false,
    )
    .await;
    roll_fails(
        EMFILE,
        |call, path| call == Call::Rename && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_segment_that_cannot_be_given_its_index_takes_nothing_more_and_the_next_one_does() {
    // Up to here, index and trailer were written, and are in the page cache at least.
    roll_fails(
        ENOSPC,
        |call, path| call == Call::SetLength && named(path, "segment-0000000001"),
        true,
    )
    .await;
    // From the moment that it is no longer the last one, nothing can be written to it.
    let is_followed = AtomicBool::new(false);
    let rule = move |call: Call, path: &Path| {
        is_followed.fetch_or(call == Call::SyncDirectory, Ordering::SeqCst);
        is_followed.load(Ordering::SeqCst)
            && call == Call::Write
            && named(path, "segment-0000000001")
    };
    roll_fails(ENOSPC, rule, true).await;
    // Where none can be, their indexes fill the memory: two, and no more.
    roll_fails(
        ENOSPC,
        |call, path| call == Call::SetLength && named(path, "segment-"),
        false,
    )
    .await;
}

#[tokio::test]
async fn the_last_descriptors_are_the_log_s() {
    let dir = directory();
    let faults = Faults::default();
    let queue = Queue::open(
        Settings {
            disk: faults.disk(),
            ..settings(dir.path())
        },
        &["mqtt"],
    )
    .unwrap();
    // None is left at any of four rolls but those that were kept for it.
    let made = AtomicU64::new(0);
    faults.begin(EMFILE, move |call, _| {
        call == Call::Create && made.fetch_add(1, Ordering::SeqCst).is_multiple_of(2)
    });
    let taken = append(&queue, LARGE.map(|number| (number, large(number)))).await;
    assert_eq!(taken.len(), LARGE.count());
    assert!(files(dir.path(), "segment-").len() >= 4);
    all_come_out(dir.path(), &taken).await;
    queue.shutdown().await;
}

#[tokio::test]
async fn a_file_system_without_room_for_more_files_is_full_and_loses_nothing() {
    let volume = Volume::with_inodes(40);
    let (top, dir) = (volume.path(), volume.path().join("data"));
    let queue = Queue::open(settings(&dir), &["mqtt"]).unwrap();
    let mut taken = append(&queue, (1..400).map(|number| (number, large(number)))).await;
    assert!(
        taken.len() > 20 && taken.len() < 350,
        "{} taken",
        taken.len()
    );
    let status = queue.status();
    assert!(status.is_full && !status.is_poisoned, "{status:?}");
    assert!(
        status
            .outages
            .iter()
            .any(|outage| outage.contains("no room for more files")),
        "{:?}",
        status.outages
    );
    // What still fits behind the last one is taken, and says nothing of what does not.
    taken.extend(append(&queue, [(2_000, small(2_000))].into_iter()).await);
    assert!(taken.contains(&2_000));
    assert!(queue.status().is_refused && queue.status().is_full);
    // Somebody else takes what was left to cursors and set-aside records, too.
    (0..40).for_each(|number| drop(std::fs::write(top.join(number.to_string()), [])));
    taken.extend(
        append(
            &queue,
            SMALL.map(|number| (1_000 + number, small(1_000 + number))),
        )
        .await,
    );
    all_come_out(&dir, &taken).await;
    // What is delivered makes room.
    (0..40).for_each(|number| drop(std::fs::remove_file(top.join(number.to_string()))));
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let normal = taken.iter().filter(|number| **number < 1_000).count();
    drain(&mut cursor, normal).await;
    until(
        || "it takes events again".to_owned(),
        || !queue.status().is_refused,
    )
    .await;
    assert!(
        append(&queue, [(5_000, large(5_000))].into_iter())
            .await
            .contains(&5_000)
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_does_not_answer_holds_the_cursor_and_ends_no_record() {
    let dir = directory();
    let faults = Faults::default();
    let queue = Queue::open(
        Settings {
            disk: faults.disk(),
            ..settings(dir.path())
        },
        &["store"],
    )
    .unwrap();
    let taken = append(&queue, (1..30).map(|number| (number, large(number)))).await;
    let mut cursor = queue.cursor("store", Lane::Normal).unwrap();
    let first = step(cursor.next()).await;
    cursor.rewind();

    faults.begin(EIO, |call, path| {
        call == Call::Read && named(path, "segment-")
    });
    let is_unanswered = |read| matches!(read, Err(NoPictures::NotNow(_)));
    assert!(nothing(cursor.next()).await && is_unanswered(step(first.pictures()).await));
    until(
        || "it is shown".to_owned(),
        || queue.status().outages.len() >= 2,
    )
    .await;
    assert!(
        nothing(cursor.next()).await && is_unanswered(step(first.pictures()).await),
        "the disk still does not answer"
    );
    assert_eq!(queue.status().rotten_records, 0);

    faults.end();
    assert_eq!(step(first.pictures()).await.unwrap().len(), 1);
    assert_eq!(
        drain(&mut cursor, taken.len()).await,
        taken.into_iter().collect::<Vec<_>>()
    );
    let status = queue.status();
    assert!(
        status
            .followers
            .iter()
            .all(|follower| !follower.tally.expired.contains_key(ROTTEN)),
        "{status:?}"
    );
    assert_eq!(status.outages, Vec::<String>::new());
    queue.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_does_not_answer_at_the_start_is_an_error_that_names_the_file_and_costs_nothing()
 {
    let dir = directory();
    let queue = open(dir.path(), &["mqtt"]);
    let taken = append(&queue, LARGE.map(|number| (number, large(number)))).await;
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 3).await;
    let left: BTreeSet<u64> = taken.into_iter().skip(3).collect();
    until(
        || "the cursor is written".to_owned(),
        || {
            inspect::status(dir.path())
                .unwrap()
                .cursors
                .iter()
                .any(|cursor| {
                    cursor
                        .counted
                        .as_ref()
                        .is_some_and(|it| it.tally.delivered == 3)
                })
        },
    )
    .await;
    let killed = killed(dir.path());
    queue.shutdown().await;
    for start in ["segment-", "cursor-mqtt-normal", "manifest"] {
        // Once is no reason to give up; for good is.
        for (times, opens) in [(1, true), (u64::MAX, false)] {
            let copy = self::killed(killed.path());
            let (faults, made) = (Faults::default(), AtomicU64::new(0));
            faults.begin(EIO, move |call, path| {
                call == Call::Read
                    && named(path, start)
                    && made.fetch_add(1, Ordering::SeqCst) < times
            });
            let queue = Queue::open(
                Settings {
                    disk: faults.disk(),
                    ..settings(copy.path())
                },
                &["mqtt"],
            );
            match queue {
                Ok(queue) => {
                    assert!(opens, "{start}: read as if nothing were there");
                    queue.shutdown().await;
                }
                Err(error) => assert!(
                    !opens && error.to_string().contains(start),
                    "{start}: {error}"
                ),
            }
            let queue = open(copy.path(), &["mqtt"]);
            let came: BTreeSet<u64> =
                drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), left.len())
                    .await
                    .into_iter()
                    .collect();
            assert_eq!(came, left, "{start}");
            assert_eq!(queue.status().rotten_records, 0, "{start}");
            queue.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_writer_that_hangs_in_any_call_is_stalled() {
    for (call, start) in [
        (Call::Write, "segment-"),
        (Call::Sync, "segment-"),
        (Call::Allocate, "fresh"),
        (Call::SyncDirectory, "queue"),
    ] {
        let dir = directory();
        let (hangs, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let disk = Disk::failing({
            let (hangs, asked) = (hangs.clone(), asked.clone());
            move |made, path| {
                while made == call && named(path, start) && hangs.load(Ordering::SeqCst) {
                    asked.store(true, Ordering::SeqCst);
                    // The stimulus: the call hangs.
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Ok(())
            }
        });
        let queue = Queue::open(
            Settings {
                disk,
                ..settings(dir.path())
            },
            &["mqtt"],
        )
        .unwrap();
        step(queue.append(large(1))).await.unwrap();
        hangs.store(true, Ordering::SeqCst);
        let appends = tokio::spawn({
            let queue = queue.clone();
            async move { append(&queue, LARGE.map(|number| (number, large(number)))).await }
        });
        until(|| "it hangs".to_owned(), || asked.load(Ordering::SeqCst)).await;
        until(|| format!("{call:?} shows"), || queue.status().is_stalled).await;
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(step(appends).await.unwrap().len(), LARGE.count());
        assert!(!queue.status().is_stalled);
        queue.shutdown().await;
    }
}

#[tokio::test]
async fn a_segment_that_is_gone_counts_its_records_once_whatever_their_lane() {
    let dir = directory();
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    for number in 1..=60 {
        let urgent = number % 3 == 0;
        step(queue.append(if urgent { small(number) } else { large(number) }))
            .await
            .unwrap();
    }
    queue.shutdown().await;
    let overview = inspect::status(dir.path()).unwrap();
    assert!(overview.segments.len() >= 4);
    for gone in [0, 1] {
        let copy = killed(dir.path());
        let segment = &overview.segments[gone];
        std::fs::remove_file(
            copy.path()
                .join("queue")
                .join(segment.path.file_name().unwrap()),
        )
        .unwrap();
        let queue = open(copy.path(), &["mqtt", "kafka"]);
        for (name, lane) in [
            ("mqtt", Lane::Urgent),
            ("mqtt", Lane::Normal),
            ("kafka", Lane::Urgent),
            ("kafka", Lane::Normal),
        ] {
            let mut cursor = queue.cursor(name, lane).unwrap();
            while sizes(&queue.status(), name, lane).2 > 0 {
                let record = step(async {
                    tokio::select! {
                        record = cursor.next() => Some(record),
                        () = until(|| "all of it is passed".to_owned(), || sizes(&queue.status(), name, lane).2 == 0) => None,
                    }
                });
                let Some(record) = record.await else { break };
                assert!(event_number(&record) <= 60);
                cursor.answer(record.sequence, Outcome::Delivered);
            }
        }
        let status = queue.status();
        assert_eq!(status.rotten_records, segment.records as u64);
        let expired = |name: &str| -> u64 {
            status
                .followers
                .iter()
                .filter(|it| it.destination == name)
                .map(|it| it.tally.expired.get(ROTTEN).copied().unwrap_or(0))
                .sum()
        };
        assert_eq!(
            (expired("mqtt"), expired("kafka")),
            (segment.records as u64, segment.records as u64)
        );
        queue.shutdown().await;
    }
}
