//! Whatever happens to the bytes on disk, the start ends in serving; one flipped byte costs at most one record, and it is counted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boxbridge::queue::{Outcome, Queue, ROTTEN, Settings};
use boxbridge::system::disk::Call;
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::parts::faulty_disk::{Errno, FaultyDisk};
use crate::queue::support::{
    copy_directory, directory, drain, entry, event_number, files, killed, picture, settings, sizes,
    step,
};

const RECORDS: u64 = 10;
const ANSWERED: u64 = 3;
/// Appended after the damage: when it comes out, everything before has.
const LAST: u64 = 1000;

fn tiny(dir: &Path) -> Settings {
    Settings {
        segment_bytes: 44 << 10,
        ..settings(dir)
    }
}

/// Some records in some segments, three of them delivered: as a kill would leave it, and as a proper stop does.
async fn stores() -> [tempfile::TempDir; 2] {
    let dir = directory();
    let queue = Queue::open(tiny(dir.path()), &["mqtt"]).unwrap();
    for number in 1..=RECORDS {
        // One with a picture stands before the last: its rot must be stepped over, not only to the next block.
        let pictures = if number.is_multiple_of(2) {
            Vec::new()
        } else {
            vec![picture(PictureKind::Face, number, 300)]
        };
        step(queue.append(entry(number, PersonType::Employee, Lane::Normal, &pictures)))
            .await
            .unwrap();
    }
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    drain(&mut cursor, ANSWERED as usize).await;
    let late = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_at_rest(dir.path()).await {
        assert!(
            std::time::Instant::now() < late,
            "the last group gets no witness, or the cursor is not written"
        );
    }

    let killed = killed(dir.path());
    queue.shutdown().await;
    [killed, dir]
}

/// Whether the cursor is written and the last group has its witness: rot in that group is then rot, and no torn tail.
async fn is_at_rest(dir: &Path) -> bool {
    let copy = killed(dir);
    let segment = files(copy.path(), "segment-").pop().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let Some(last_event) = bytes
        .windows(11)
        .rposition(|window| window == b"received_at")
    else {
        return false;
    };
    bytes[last_event] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let found = recover(copy.path(), "rot in the last group").await;
    found.rotten == 1 && !found.came.contains(&ANSWERED)
}

struct Outcomes {
    came: BTreeSet<u64>,
    rotten: u64,
    unreadable_pictures: u64,
}

/// Opens a damaged store and takes out what is there.
async fn recover(dir: &Path, what: &str) -> Outcomes {
    let queue = Queue::open(tiny(dir), &["mqtt"]).unwrap_or_else(|error| panic!("{what}: {error}"));
    step(queue.append(entry(LAST, PersonType::Employee, Lane::Normal, &[])))
        .await
        .unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let mut outcomes = Outcomes {
        came: BTreeSet::new(),
        rotten: 0,
        unreadable_pictures: 0,
    };
    loop {
        let record = step(cursor.next()).await;
        let number = event_number(&record);
        match record.pictures().await {
            Ok(pictures) if record.has_pictures => assert_eq!(
                pictures,
                [picture(PictureKind::Face, number, 300)],
                "{what}"
            ),
            Ok(_) => {}
            Err(_) => outcomes.unreadable_pictures += 1,
        }
        outcomes.came.insert(number);
        cursor.answer(record.sequence, Outcome::Delivered);
        if number == LAST {
            break;
        }
    }
    let status = queue.status();
    let (accepted, answered, waiting) = sizes(&status, "mqtt", Lane::Normal);
    assert_eq!((accepted, waiting), (answered, 0), "{what}: {status:?}");
    let normal = status
        .subscriptions
        .iter()
        .find(|subscription| subscription.lane == Lane::Normal)
        .unwrap();
    outcomes.rotten = normal.tally.expired.get(ROTTEN).copied().unwrap_or(0);
    assert!(
        status.rotten_records >= outcomes.rotten,
        "{what}: not alarmed"
    );
    queue.shutdown().await;
    outcomes
}

/// Every file of the queue, with its bytes.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(dir, "")
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn one_flipped_byte_costs_at_most_one_record_and_it_is_counted() {
    // Every byte takes a minute: one in five, unless all are asked for.
    let stride = if std::env::var_os("BOXBRIDGE_TEST_ALL_BYTES").is_some() {
        1
    } else {
        5
    };
    for store in stores().await {
        for (path, bytes) in contents(store.path()) {
            // Of the bytes that hold something, and of each stretch that does not.
            let places = (0..bytes.len())
                .filter(|place| (bytes[*place] != 0 && place % stride == 0) || place % 509 == 0);
            for place in places {
                let what = format!("{} at {place}", path.display());
                let copy = directory();
                copy_directory(store.path(), copy.path());
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << (place % 8);
                std::fs::write(
                    copy.path().join("queue").join(path.file_name().unwrap()),
                    flipped,
                )
                .unwrap();
                let found = recover(copy.path(), &what).await;
                let missing = (ANSWERED + 1..=RECORDS)
                    .filter(|number| !found.came.contains(number))
                    .count() as u64;
                assert!(
                    missing + found.unreadable_pictures <= 1,
                    "{what}: {:?} came",
                    found.came
                );
                assert!(missing <= found.rotten, "{what}: lost and not counted");
            }
        }
    }
}

#[tokio::test]
async fn larger_damage_costs_what_it_hit_and_the_rest_is_delivered() {
    for store in stores().await {
        let segments = files(store.path(), "segment-");
        assert!(segments.len() >= 3, "{segments:?}");
        for (place, path) in segments.iter().enumerate() {
            for damage in [
                "deleted",
                "emptied",
                "cut",
                "copied",
                "swapped",
                "no index",
                "headers gone",
            ] {
                let what = format!("{damage} {}", path.display());
                let copy = directory();
                copy_directory(store.path(), copy.path());
                let queue = copy.path().join("queue");
                let target = queue.join(path.file_name().unwrap());
                let other = queue.join(segments[(place + 1) % segments.len()].file_name().unwrap());
                let mut bytes = std::fs::read(&target).unwrap();
                match damage {
                    "deleted" => std::fs::remove_file(&target).unwrap(),
                    "emptied" => std::fs::write(&target, []).unwrap(),
                    "cut" => std::fs::write(&target, &bytes[..bytes.len() / 2 + 77]).unwrap(),
                    "copied" => std::fs::write(queue.join("segment-9999999999"), &bytes).unwrap(),
                    "swapped" => {
                        std::fs::write(&target, std::fs::read(&other).unwrap()).unwrap();
                        std::fs::write(&other, &bytes).unwrap();
                    }
                    "no index" => {
                        let end = bytes.len();
                        bytes[end - 4096..].fill(0);
                        std::fs::write(&target, &bytes).unwrap();
                    }
                    _ => {
                        bytes[..8192].fill(0);
                        std::fs::write(&target, &bytes).unwrap();
                    }
                }
                let found = recover(copy.path(), &what).await;
                let missing = (ANSWERED + 1..=RECORDS)
                    .filter(|number| !found.came.contains(number))
                    .count() as u64;
                let expected = if matches!(damage, "copied" | "swapped" | "no index") {
                    0
                } else {
                    5
                };
                assert!(missing <= expected, "{what}: {:?} came", found.came);
                // The tail of the last segment may be taken for one that never was synced.
                assert!(
                    missing <= found.rotten || place + 1 == segments.len(),
                    "{what}: {missing} lost, {} counted",
                    found.rotten
                );
            }
        }
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_without_alarm_and_a_whole_one_is_kept() {
    let dir = directory();
    let faulty = FaultyDisk::default();
    let disk = faulty.disk();
    let queue = Queue::open(
        Settings {
            disk,
            ..tiny(dir.path())
        },
        &["mqtt"],
    )
    .unwrap();
    step(queue.append(entry(1, PersonType::Employee, Lane::Normal, &[])))
        .await
        .unwrap();
    // Written, but never synced: nobody was told of it.
    faulty.begin(Errno::IO, |call, _| call == Call::Sync);
    let pictures = [picture(PictureKind::Face, 2, 300)];
    step(queue.append(entry(2, PersonType::Employee, Lane::Normal, &pictures)))
        .await
        .unwrap_err();
    queue.shutdown().await;
    let segment = files(dir.path(), "segment-").pop().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    let position = |what: &[u8]| {
        bytes
            .windows(what.len())
            .rposition(|window| window == what)
            .unwrap()
    };
    for (torn, came) in [
        (None, vec![1, 2, LAST]),
        (Some(b"received_at".as_slice()), vec![1, LAST]),
        (Some(&pictures[0].bytes[..]), vec![1, LAST]),
    ] {
        let copy = directory();
        copy_directory(dir.path(), copy.path());
        if let Some(torn) = torn {
            let mut bytes = bytes.clone();
            bytes[position(torn) + 3] ^= 1;
            std::fs::write(
                copy.path().join("queue").join(segment.file_name().unwrap()),
                bytes,
            )
            .unwrap();
        }
        let found = recover(copy.path(), "torn").await;
        assert_eq!(
            (
                found.came.into_iter().collect::<Vec<_>>(),
                found.rotten,
                found.unreadable_pictures
            ),
            (came, 0, 0)
        );
    }
}
