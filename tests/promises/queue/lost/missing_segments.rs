//! A segment that cannot be found, or is gone for a while: nothing ends for good that is on a disk, and the books stay exact.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use boxbridge::queue::{Cursor, Outcome, Queue, ROTTEN, Settings, inspect};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::parts::faulty_disk::{Errno, FaultyDisk, first};
use crate::queue::support::{
    copy_directory, directory, drain, entry, event_number, files, killed, open, picture, settings,
    sizes, step, until,
};

const RECORDS: u64 = 30;
const ANSWERED: usize = 4;
const TYPES: [PersonType; 3] = [
    PersonType::Employee,
    PersonType::Unknown,
    PersonType::Visitor,
];

fn small(dir: &Path) -> Settings {
    Settings {
        segment_bytes: 44 << 10,
        ..settings(dir)
    }
}

/// Records of every type in some segments, one in five urgent, the first of which a destination has had. Properly stopped.
async fn store() -> tempfile::TempDir {
    let dir = directory();
    let queue = Queue::open(small(dir.path()), &["mqtt"]).unwrap();
    for number in 1..=RECORDS {
        let lane = if number.is_multiple_of(5) {
            Lane::Urgent
        } else {
            Lane::Normal
        };
        let person_type = TYPES[number as usize % TYPES.len()];
        let pictures = [picture(PictureKind::Face, number, 3_000)];
        step(queue.append(entry(number, person_type, lane, &pictures)))
            .await
            .unwrap();
    }
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), ANSWERED).await;
    queue.shutdown().await;
    dir
}

/// When the gateway that misses a segment ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// Killed as soon as it has started.
    AtOnce,
    /// Killed after some records.
    Midway,
    /// Stopped once nothing waits.
    Done,
}

fn cursors(queue: &Queue) -> [Cursor; 2] {
    [Lane::Normal, Lane::Urgent].map(|lane| queue.cursor("mqtt", lane).unwrap())
}

/// Takes out what comes, until nothing waits or `enough` have come.
async fn take(
    queue: &Queue,
    [first, second]: &mut [Cursor; 2],
    enough: usize,
    came: &mut BTreeSet<u64>,
) {
    let waits = || {
        queue
            .status()
            .subscriptions
            .iter()
            .any(|subscription| subscription.waiting > 0 || subscription.replays > 0)
    };
    let mut taken = 0;
    while taken < enough && waits() {
        let (record, cursor) = tokio::select! {
            record = first.next() => (record, &mut *first),
            record = second.next() => (record, &mut *second),
            // What is gone is passed without a record.
            () = tokio::time::sleep(Duration::from_millis(5)) => continue,
        };
        came.insert(event_number(&record));
        cursor.answer(record.sequence, Outcome::Delivered);
        taken += 1;
    }
}

fn is_exact(dir: &Path, what: &str) {
    let report = inspect::verify(dir).unwrap();
    assert!(report.is_sound(), "{what}: {report:?}");
}

#[tokio::test]
async fn a_segment_that_is_moved_away_and_comes_back_is_delivered_and_the_books_are_exact() {
    let store = store().await;
    let segments = files(store.path(), "segment-");
    assert!(segments.len() >= 3, "{segments:?}");
    for segment in &segments {
        for ends in [Ends::AtOnce, Ends::Midway, Ends::Done] {
            let what = format!("{} {ends:?}", segment.display());
            let copy = directory();
            copy_directory(store.path(), copy.path());
            let path = copy.path().join("queue").join(segment.file_name().unwrap());
            let away = copy.path().join("away");
            std::fs::rename(&path, &away).unwrap();
            let report = inspect::verify(copy.path()).unwrap();
            assert!(
                !report.is_sound() && report.missing.len() == 1,
                "{what}: {report:?}"
            );

            let mut came = (1..=ANSWERED as u64 + 1)
                .filter(|number| *number != 5)
                .collect();
            let copy = without_the_segment(copy, ends, &mut came, &what).await;
            std::fs::rename(
                copy.path().join("away"),
                copy.path().join("queue").join(segment.file_name().unwrap()),
            )
            .unwrap();

            let queue = Queue::open(small(copy.path()), &["mqtt"]).unwrap();
            take(&queue, &mut cursors(&queue), usize::MAX, &mut came).await;
            queue.shutdown().await;
            let lost: Vec<_> = (1..=RECORDS)
                .filter(|number| !came.contains(number))
                .collect();
            assert!(lost.is_empty(), "{what}: {lost:?} never came");
            is_exact(copy.path(), &what);
        }
    }
}

/// A life of the gateway without it.
async fn without_the_segment(
    copy: tempfile::TempDir,
    ends: Ends,
    came: &mut BTreeSet<u64>,
    what: &str,
) -> tempfile::TempDir {
    let queue = Queue::open(small(copy.path()), &["mqtt"]).unwrap();
    let enough = match ends {
        Ends::AtOnce => 0,
        Ends::Midway => 7,
        Ends::Done => usize::MAX,
    };
    let mut cursors = cursors(&queue);
    take(&queue, &mut cursors, enough, came).await;
    if matches!(ends, Ends::Done) {
        // It goes on where the log has ended, also where its end is what is gone.
        step(queue.append(entry(RECORDS + 1, PersonType::Employee, Lane::Normal, &[])))
            .await
            .unwrap();
        take(&queue, &mut cursors, usize::MAX, came).await;
        queue.shutdown().await;
        is_exact(copy.path(), what);
        return copy;
    }

    let killed = killed(copy.path());
    queue.shutdown().await;
    killed
}

#[tokio::test]
async fn a_file_that_its_folder_lists_and_that_is_not_found_refuses_the_start_and_costs_nothing() {
    let store = store().await;
    let others = ["manifest", "cursor-mqtt-normal", "cursor-mqtt-urgent"]
        .map(|name| store.path().join("queue").join(name));
    for path in files(store.path(), "segment-").into_iter().chain(others) {
        for call in [Call::Open, Call::Stat] {
            let what = format!("{call:?} {}", path.display());
            if call == Call::Stat && !path.to_string_lossy().contains("segment-") {
                continue;
            }
            let copy = directory();
            copy_directory(store.path(), copy.path());
            let path = copy.path().join("queue").join(path.file_name().unwrap());

            let error = Queue::open(
                Settings {
                    disk: not_found(call, &path, u64::MAX),
                    ..small(copy.path())
                },
                &["mqtt"],
            );
            let error = error
                .err()
                .unwrap_or_else(|| panic!("{what}: it started"))
                .to_string();
            assert!(
                error.contains(&path.display().to_string()),
                "{what}: {error}"
            );

            // Once only, it is asked again.
            let times = if call == Call::Open { 1 } else { 0 };
            let queue = Queue::open(
                Settings {
                    disk: not_found(call, &path, times),
                    ..small(copy.path())
                },
                &["mqtt"],
            )
            .unwrap();
            let mut came = (1..=ANSWERED as u64 + 1)
                .filter(|number| *number != 5)
                .collect();
            take(&queue, &mut cursors(&queue), usize::MAX, &mut came).await;
            assert_eq!(came.len() as u64, RECORDS, "{what}: {came:?}");
            assert_eq!(queue.status().rotten_records, 0, "{what}");
            queue.shutdown().await;
            is_exact(copy.path(), &what);
        }
    }
}

#[tokio::test]
async fn a_segment_that_is_gone_counts_its_records_once_whatever_their_lane() {
    let dir = directory();
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    for number in 1..=60 {
        let face = picture(PictureKind::Face, number, 5_000);
        let (lane, pictures) = if number % 3 == 0 {
            (Lane::Urgent, vec![])
        } else {
            (Lane::Normal, vec![face])
        };
        step(queue.append(entry(number, PersonType::Visitor, lane, &pictures)))
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
                .subscriptions
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

/// A disk that does not find what is there, so many times.
fn not_found(call: Call, path: &Path, times: u64) -> Disk {
    let path = path.to_owned();
    let rule = move |made, at: &Path| made == call && at == path;
    FaultyDisk::failing(Errno::NOENT, first(times, rule)).disk()
}
