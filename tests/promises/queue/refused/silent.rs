//! A disk that does not answer: a read that fails, a call that hangs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boxbridge::queue::{Queue, ROTTEN, Settings, inspect};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, NoPictures};

use super::{LARGE, append, large, small};
use crate::parts::faulty_disk::{Errno, FaultyDisk, first, named};
use crate::queue::support::{
    directory, drain, killed, nothing, open, open_on, settings, step, until,
};

#[tokio::test]
async fn a_disk_that_does_not_answer_holds_the_cursor_and_ends_no_record() {
    let dir = directory();
    let faulty = FaultyDisk::default();
    let queue = open_on(faulty.disk(), dir.path(), &["store"]);
    let taken = append(&queue, (1..30).map(|number| (number, large(number)))).await;
    let mut cursor = queue.cursor("store", Lane::Normal).unwrap();
    let held = step(cursor.next()).await;
    cursor.rewind();

    faulty.begin(Errno::IO, |call, path| {
        call == Call::Read && named(path, "segment-")
    });
    let is_unanswered = |read| matches!(read, Err(NoPictures::NotNow(_)));
    assert!(nothing(cursor.next()).await && is_unanswered(step(held.pictures()).await));
    until(
        || "it is shown".to_owned(),
        || queue.status().outages.len() >= 2,
    )
    .await;
    assert!(
        nothing(cursor.next()).await && is_unanswered(step(held.pictures()).await),
        "the disk still does not answer"
    );
    assert_eq!(queue.status().rotten_records, 0);

    faulty.end();
    assert_eq!(step(held.pictures()).await.unwrap().len(), 1);
    assert_eq!(
        drain(&mut cursor, taken.len()).await,
        taken.into_iter().collect::<Vec<_>>()
    );
    let status = queue.status();
    assert!(
        status
            .subscriptions
            .iter()
            .all(|subscription| !subscription.tally.expired.contains_key(ROTTEN)),
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
            let rule = move |call, path: &Path| call == Call::Read && named(path, start);
            let faulty = FaultyDisk::failing(Errno::IO, first(times, rule));
            let queue = Queue::open(
                Settings {
                    disk: faulty.disk(),
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
        let Hanging { disk, hangs, asked } = Hanging::at(call, start);
        let queue = open_on(disk, dir.path(), &["mqtt"]);
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
async fn an_answer_waits_neither_for_the_file_of_the_next_segment_nor_for_the_index_of_the_last() {
    // Three large events fill more than half of a segment, and a fourth needs the next one.
    for (call, start, events) in [
        (Call::Allocate, "fresh", 3),
        (Call::SetLength, "segment-0000000001", 4),
    ] {
        let dir = directory();
        let Hanging { disk, hangs, asked } = Hanging::at(call, start);
        let queue = open_on(disk, dir.path(), &["mqtt"]);
        step(queue.append(large(1))).await.unwrap();
        hangs.store(true, Ordering::SeqCst);
        for number in 2..=events {
            step(queue.append(large(number))).await.unwrap();
        }

        until(|| "it hangs".to_owned(), || asked.load(Ordering::SeqCst)).await;
        step(queue.append(small(100))).await.unwrap();
        assert!(hangs.swap(false, Ordering::SeqCst));
        let taken = append(&queue, LARGE.skip(9).map(|number| (number, large(number)))).await;
        assert_eq!(taken.len(), LARGE.skip(9).count());

        queue.shutdown().await;
        assert!(!dir.path().join("queue/fresh").exists());
    }
}

/// A disk on which one call hangs, while it is told to.
struct Hanging {
    disk: Disk,
    hangs: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Hanging {
    fn at(call: Call, start: &'static str) -> Hanging {
        let (hangs, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
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
        Hanging { disk, hangs, asked }
    }
}
