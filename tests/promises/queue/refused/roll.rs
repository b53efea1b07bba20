//! A roll that fails at any of its steps.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use boxbridge::queue::{Queue, inspect};
use boxbridge::system::disk::Call;
use boxbridge_event::Lane;

use super::{LARGE, all_come_out, append, large, small};
use crate::parts::faulty_disk::{Errno, FaultyDisk, named};
use crate::parts::volume::Volume;
use crate::queue::support::{directory, drain, files, open_on, settings, step, until};

const SMALL: std::ops::Range<u64> = 100..120;

/// A life in which a roll goes wrong, and goes on as soon as it can.
async fn roll_fails(
    error: Errno,
    rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static,
    takes_all: bool,
) {
    let dir = directory();
    let faulty = FaultyDisk::default();
    let queue = open_on(faulty.disk(), dir.path(), &["mqtt"]);
    step(queue.append(large(1_000))).await.unwrap();
    faulty.begin(error, rule);
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

    faulty.end();
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
        Errno::MFILE,
        |call, path| call == Call::Create && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_next_segment_that_cannot_be_synced_is_thrown_away() {
    // Not even that: it is overwritten by the next attempt.
    roll_fails(
        Errno::IO,
        |call, path| matches!(call, Call::Sync | Call::Remove) && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_next_segment_whose_name_is_not_durable_takes_nothing_and_neither_does_the_one_before() {
    roll_fails(
        Errno::NOSPC,
        |call, path| call == Call::SyncDirectory && named(path, "queue"),
        false,
    )
    .await;
    roll_fails(
        Errno::MFILE,
        |call, path| call == Call::Rename && named(path, "fresh"),
        false,
    )
    .await;
}

#[tokio::test]
async fn a_segment_that_cannot_be_given_its_index_takes_nothing_more_and_the_next_one_does() {
    // Up to here, index and trailer were written, and are in the page cache at least.
    roll_fails(
        Errno::NOSPC,
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
    roll_fails(Errno::NOSPC, rule, true).await;
    // Where none can be, their indexes fill the memory: two, and no more.
    roll_fails(
        Errno::NOSPC,
        |call, path| call == Call::SetLength && named(path, "segment-"),
        false,
    )
    .await;
}

#[tokio::test]
async fn the_last_descriptors_are_the_log_s() {
    let dir = directory();
    let faulty = FaultyDisk::default();
    let queue = open_on(faulty.disk(), dir.path(), &["mqtt"]);
    // None is left at any of four rolls but those that were kept for it.
    let made = AtomicU64::new(0);
    faulty.begin(Errno::MFILE, move |call, _| {
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
