//! A store that syncs what it writes in batches: on disk its cursor says no more than what is durable, and what a failed sync may have lost
//! goes to it again.

use std::sync::Arc;
use std::time::Duration;

use boxbridge::queue::{Cursor, Outcome, Queue, Settings, inspect};
use boxbridge::system::written::Written;
use boxbridge_event::{Lane, PersonType, PictureVerdict};

use crate::queue::support::{
    directory, drain, entry, event_number, killed, nothing, settings, sizes, step, until,
};

const DESTINATIONS: [&str; 2] = ["store", "mqtt"];

/// A queue whose store has answered five normal and three urgent records, which nothing has synced.
struct Unsynced {
    directory: tempfile::TempDir,
    queue: Queue,
    written: Arc<Written>,
    normal: Cursor,
    _urgent: Cursor,
}

#[tokio::test]
async fn a_record_is_settled_for_the_others_at_once_and_comes_again_after_a_power_cut() {
    let life = unsynced().await;

    let verdicts = life.queue.verdicts(Lane::Normal);
    let settled = |number: u64, lane| {
        verdicts.of(
            boxbridge_event::Sequence(number),
            lane,
            PersonType::Employee,
        )
    };
    assert!((1..=5).all(|number| settled(number, Lane::Normal) == Some(PictureVerdict::default())));

    let cut = killed(life.directory.path());
    assert_eq!(delivered(cut.path(), "store"), 0);
    let (normal, urgent) = all_of_store(cut.path()).await;
    assert_eq!((normal, urgent), (vec![1, 2, 3, 4, 5], vec![6, 7, 8]));
}

#[tokio::test]
async fn what_is_synced_is_passed_on_disk_and_does_not_come_again() {
    let life = unsynced().await;

    life.written.synced(life.written.count());

    let path = life.directory.path();
    until(
        || "the slots say so".to_owned(),
        || delivered(path, "store") == 8,
    )
    .await;
    let cut = killed(path);
    let (normal, urgent) = all_of_store(cut.path()).await;
    assert!(
        normal.is_empty() && urgent.is_empty(),
        "{normal:?} {urgent:?}"
    );
}

#[tokio::test]
async fn a_stop_after_a_last_sync_leaves_nothing_to_come_again() {
    let life = unsynced().await;

    life.written.synced(life.written.count());
    life.queue.shutdown().await;

    let overview = inspect::status(life.directory.path()).unwrap();
    assert!(overview.is_clean);
    assert_eq!(delivered(life.directory.path(), "store"), 8);
}

#[tokio::test]
async fn after_a_failed_sync_both_lanes_go_to_the_store_again_and_no_count_changes() {
    let mut life = unsynced().await;
    let counted = store_of(&life.queue);

    life.written.lost();
    // The next sync works, and must not make the lost ones pass.
    life.written.synced(life.written.count());

    let mut again = Vec::new();
    for _ in 0..8 {
        let record = step(life.normal.next()).await;
        assert!(record.replay.is_some());
        again.push((event_number(&record), record.sequence));
    }
    again.sort_unstable();
    assert!(again.iter().map(|(number, _)| *number).eq(1..=8));

    // A power cut before they are written again: a start knows of them.
    let cut = killed(life.directory.path());
    let queue = Queue::open(quick(cut.path()), &DESTINATIONS).unwrap();
    let mut normal = queue.cursor("store", Lane::Normal).unwrap();
    for _ in 0..8 {
        assert!(step(normal.next()).await.replay.is_some());
    }

    // Written again and synced: it is over.
    for (_, sequence) in &again {
        life.written.add();
        life.normal.answer(*sequence, Outcome::Delivered);
    }
    assert_eq!(store_of(&life.queue), counted);
    life.written.synced(life.written.count());
    let late = std::time::Instant::now() + Duration::from_secs(20);
    while all_of_store(killed(life.directory.path()).path()).await != Default::default() {
        assert!(
            std::time::Instant::now() < late,
            "the replay is not over on disk"
        );
    }
    assert_eq!(delivered(life.directory.path(), "store"), 8);
    assert!(nothing(life.normal.next()).await);
}

async fn unsynced() -> Unsynced {
    let directory = directory();
    let queue = Queue::open(quick(directory.path()), &DESTINATIONS).unwrap();
    let written = Arc::new(Written::default());
    queue.stand_on("store", &written);

    for number in 1..=8 {
        let lane = if number <= 5 {
            Lane::Normal
        } else {
            Lane::Urgent
        };
        let entry = entry(number, PersonType::Employee, lane, &[]);
        step(queue.append(entry)).await.unwrap();
    }
    for _ in 1..=8 {
        written.add();
    }
    let mut normal = queue.cursor("store", Lane::Normal).unwrap();
    let mut urgent = queue.cursor("store", Lane::Urgent).unwrap();
    drain(&mut normal, 5).await;
    drain(&mut urgent, 3).await;

    // The store's slots are looked at before those of MQTT.
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 5).await;
    let path = directory.path();
    until(
        || "MQTT's slot is written".to_owned(),
        || delivered(path, "mqtt") == 5,
    )
    .await;
    Unsynced {
        directory,
        queue,
        written,
        normal,
        _urgent: urgent,
    }
}

/// What is accepted, answered and waiting in both lanes.
fn store_of(queue: &Queue) -> [(u64, u64, u64); 2] {
    [Lane::Normal, Lane::Urgent].map(|lane| sizes(&queue.status(), "store", lane))
}

fn quick(directory: &std::path::Path) -> Settings {
    Settings {
        upkeep_interval: Duration::from_millis(2),
        ..settings(directory)
    }
}

/// What the slots of both lanes say.
fn delivered(directory: &std::path::Path, destination: &str) -> u64 {
    let cursors = inspect::status(directory).unwrap().cursors;
    cursors
        .iter()
        .filter(|cursor| cursor.destination == destination)
        .filter_map(|cursor| cursor.counted.as_ref())
        .map(|counted| counted.tally.delivered)
        .sum()
}

/// All that comes to the store after a start on what a power cut left.
async fn all_of_store(directory: &std::path::Path) -> (Vec<u64>, Vec<u64>) {
    let queue = Queue::open(quick(directory), &DESTINATIONS).unwrap();
    let [normal, urgent] = [Lane::Normal, Lane::Urgent].map(|lane| queue.cursor("store", lane));
    (all(normal.unwrap()).await, all(urgent.unwrap()).await)
}

async fn all(mut cursor: Cursor) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Ok(record) = tokio::time::timeout(Duration::from_millis(500), cursor.next()).await {
        numbers.push(event_number(&record));
        cursor.answer(record.sequence, Outcome::Delivered);
    }
    numbers
}
