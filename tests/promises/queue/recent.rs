//! The newest records stay in memory for cursors that keep up: the same records as on disk, without reading it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boxbridge::queue::{Queue, Record, Settings};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, PersonType, Picture, PictureKind};

use super::support::{directory, drain, entry, picture, settings, step, until};

const RECORDS: u64 = 40;

#[tokio::test]
async fn a_cursor_that_keeps_up_gets_events_and_pictures_without_a_read() {
    let (dir, reads) = (directory(), Arc::new(AtomicUsize::new(0)));
    let queue = Queue::open(
        remembering(dir.path(), counting(&reads)),
        &["mqtt", "store"],
    )
    .unwrap();
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    let mut normal = queue.cursor("store", Lane::Normal).unwrap();
    reads.store(0, Ordering::Relaxed);

    for number in 1..=RECORDS {
        let (lane, cursor) = match number % 4 {
            0 => (Lane::Urgent, &mut urgent),
            _ => (Lane::Normal, &mut normal),
        };
        let pictures = pictures(number);
        step(queue.append(entry(number, PersonType::Vip, lane, &pictures)))
            .await
            .unwrap();

        let record = step(cursor.next()).await;
        assert_eq!(record.sequence.0, number);
        assert_eq!(step(record.pictures()).await.unwrap(), pictures);
        cursor.answer(record.sequence, boxbridge::queue::Outcome::Delivered);
    }
    assert_eq!(reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_comes_from_memory_is_what_the_disk_holds() {
    let dir = directory();
    let queue = Queue::open(remembering(dir.path(), Disk::default()), &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    for number in 1..=RECORDS {
        let entry = entry(number, PersonType::Visitor, Lane::Normal, &pictures(number));
        step(queue.append(entry)).await.unwrap();
    }
    let remembered = all(&mut cursor).await;
    queue.shutdown().await;

    let queue = Queue::open(settings(dir.path()), &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let read = all(&mut cursor).await;
    assert_eq!(remembered, read);
}

/// Memory is bounded: who falls behind reads the disk, and goes on in memory once he has caught up.
#[tokio::test]
async fn a_cursor_that_is_behind_reads_the_disk_and_misses_nothing_on_its_way_to_memory() {
    let (dir, reads) = (directory(), Arc::new(AtomicUsize::new(0)));
    let few = Settings {
        recent_event_bytes: 8 << 10,
        recent_picture_bytes: 8 << 10,
        ..remembering(dir.path(), counting(&reads))
    };
    let queue = Queue::open(few, &["mqtt"]).unwrap();
    for number in 1..=RECORDS {
        let entry = entry(number, PersonType::Visitor, Lane::Normal, &pictures(number));
        step(queue.append(entry)).await.unwrap();
    }
    reads.store(0, Ordering::Relaxed);

    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let numbers = drain(&mut cursor, RECORDS as usize).await;
    assert!(numbers.into_iter().eq(1..=RECORDS));
    assert!(reads.load(Ordering::Relaxed) > 0);
}

/// A file that is open keeps its blocks, whatever its name.
#[tokio::test]
async fn a_segment_that_is_deleted_gives_its_room_back_though_its_records_are_remembered() {
    let dir = directory();
    let short = Settings {
        replay_window: Duration::ZERO,
        upkeep_interval: Duration::from_millis(2),
        ..remembering(dir.path(), Disk::default())
    };
    let queue = Queue::open(short, &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    for number in 1..=RECORDS {
        let entry = entry(number, PersonType::Visitor, Lane::Normal, &pictures(number));
        step(queue.append(entry)).await.unwrap();
    }
    drain(&mut cursor, RECORDS as usize).await;
    drop(queue.cursor("mqtt", Lane::Urgent));

    until(
        || format!("{:?}", deleted_and_open(dir.path())),
        || {
            super::support::files(dir.path(), "segment-").len() == 1
                && deleted_and_open(dir.path()).is_empty()
        },
    )
    .await;
}

/// Files below the folder that have no name any more and are held open by this process.
fn deleted_and_open(dir: &std::path::Path) -> Vec<String> {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let names = targets.map(|target| target.display().to_string());
    let dir = dir.display().to_string();
    names
        .filter(|name| name.starts_with(&dir) && name.ends_with("(deleted)"))
        .collect()
}

fn pictures(number: u64) -> [Picture; 2] {
    [PictureKind::Registered, PictureKind::Scene].map(|kind| picture(kind, number, 2_000))
}

fn remembering(dir: &std::path::Path, disk: Disk) -> Settings {
    Settings {
        recent_event_bytes: 1 << 20,
        recent_picture_bytes: 1 << 20,
        disk,
        ..settings(dir)
    }
}

fn counting(reads: &Arc<AtomicUsize>) -> Disk {
    let reads = Arc::clone(reads);
    Disk::failing(move |call, _| {
        if call == Call::Read {
            reads.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

/// All there is: sequence, event, pictures.
async fn all(cursor: &mut boxbridge::queue::Cursor) -> Vec<(u64, Vec<u8>, Vec<Picture>, String)> {
    let mut all = Vec::new();
    for _ in 0..RECORDS {
        let record: Record = step(cursor.next()).await;
        let pictures = step(record.pictures()).await.unwrap();
        let header = format!(
            "{:?} {:?} {:?} {:?} {:?} {}",
            record.id,
            record.revision,
            record.person_type,
            record.feed,
            record.lane,
            record.has_pictures
        );
        all.push((record.sequence.0, record.event.to_vec(), pictures, header));
    }
    all
}
