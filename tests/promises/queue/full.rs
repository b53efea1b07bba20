//! A full disk is a state that ends by itself; a broken one ends the process.

use std::path::Path;

use boxbridge::queue::{AppendError, Appended, Entry, ON_FULL, Outcome, Queue, Settings};
use boxbridge::system::disk::Call;
use boxbridge_config::OnFull;
use boxbridge_event::{
    Act, ContentDigest, Feed, Lane, PersonType, Picture, PictureKind, Revision, Timestamp,
};

use crate::parts::faulty_disk::{Errno, FaultyDisk, first, named};
use crate::queue::support::{
    drain, entry, event_number, killed, open, open_on, picture, settings, sizes, step,
};

fn large(number: u64) -> Entry {
    entry(
        number,
        PersonType::Visitor,
        Lane::Normal,
        &[picture(PictureKind::Face, number, 5_000)],
    )
}

/// Appends until there is no room; how many there were.
async fn fill(queue: &Queue) -> u64 {
    for number in 1..10_000 {
        match step(queue.append(large(number))).await {
            Ok(_) => {}
            Err(AppendError::Full { used, limit }) => {
                assert!(used <= limit);
                return number - 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never full");
}

#[tokio::test]
async fn a_full_budget_refuses_and_takes_again_once_records_were_answered() {
    let dir = tempfile::tempdir().unwrap();
    let small = Settings {
        max_bytes: 1 << 20,
        ..settings(dir.path())
    };
    let queue = Queue::open(small.clone(), &["mqtt"]).unwrap();
    let stored = fill(&queue).await;
    assert!(stored > 20 && queue.status().is_full);
    // A duplicate needs no room.
    assert!(matches!(
        step(queue.append(large(stored))).await,
        Ok(Appended::Duplicate(_))
    ));
    queue.shutdown().await;

    // Full, and started again: it delivers, which makes room.
    let queue = Queue::open(small, &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert_eq!(
        drain(&mut cursor, stored as usize).await,
        (1..=stored).collect::<Vec<_>>()
    );
    for number in 20_000..20_000 + stored {
        step(queue.append(large(number))).await.unwrap();
        drain(&mut cursor, 1).await;
    }
    assert!(!queue.status().is_full);
    let status = queue.status();
    assert!(status.bytes.waiting + status.bytes.kept + status.bytes.free == status.bytes.limit);
    queue.shutdown().await;
}

#[tokio::test]
async fn expire_oldest_gives_up_the_oldest_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let small = Settings {
        max_bytes: 1 << 20,
        on_full: OnFull::ExpireOldest,
        ..settings(dir.path())
    };
    let queue = Queue::open(small, &["mqtt", "kafka"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let held = step(async { (queue.append(large(1)).await.unwrap(), cursor.next().await).1 }).await;
    for number in 2..=300 {
        step(queue.append(large(number))).await.unwrap();
    }
    let status = queue.status();
    let of = |name: &str| {
        status
            .subscriptions
            .iter()
            .find(|subscription| {
                subscription.destination == name && subscription.lane == Lane::Normal
            })
            .unwrap()
    };
    let expired = of("kafka").tally.expired[ON_FULL];
    assert!(expired > 100 && expired < 300, "{expired}");
    assert_eq!(
        sizes(&status, "kafka", Lane::Normal),
        (300, expired, 300 - expired)
    );
    // What was in somebody's hands can still be read, and its answer changes nothing.
    assert_eq!(held.pictures().await.unwrap().len(), 1);
    cursor.answer(held.sequence, Outcome::Delivered);
    assert_eq!(
        sizes(&queue.status(), "mqtt", Lane::Normal),
        (300, expired, 300 - expired)
    );
    cursor.rewind();
    let rest = drain(&mut cursor, (300 - expired) as usize).await;
    assert_eq!(rest, (expired + 1..=300).collect::<Vec<_>>());
    queue.shutdown().await;
}

/// From now on, the first so many calls of a kind on segments fail.
fn begin(faulty: &FaultyDisk, call: Call, error: Errno, times: u64) {
    let rule = move |made, path: &Path| made == call && named(path, "segment-");
    faulty.begin(error, first(times, rule));
}

#[tokio::test]
async fn no_room_in_a_write_rolls_back_and_the_next_write_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FaultyDisk::default();
    let disk = faulty.disk();
    let queue = open_on(disk, dir.path(), &["mqtt"]);
    step(queue.append(large(1))).await.unwrap();
    // Two, as the first may be the witness's.
    begin(&faulty, Call::Write, Errno::NOSPC, 2);
    let is_full = |result: &Result<Appended, AppendError>| {
        matches!(result, Err(AppendError::DiskFull { .. }))
    };
    assert!(is_full(&step(queue.append(large(2))).await));
    let mut again = step(queue.append(large(2))).await;
    if is_full(&again) {
        again = step(queue.append(large(2))).await;
    }
    assert!(
        matches!(again, Ok(Appended::Stored(_))),
        "a refused event is no duplicate of itself: {again:?}"
    );
    let copy = killed(dir.path());
    queue.shutdown().await;
    let queue = open(copy.path(), &["mqtt"]);
    assert_eq!(
        drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 2).await,
        [1, 2]
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_failed_sync_poisons_and_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FaultyDisk::default();
    let disk = faulty.disk();
    let queue = open_on(disk, dir.path(), &["mqtt"]);
    step(queue.append(large(1))).await.unwrap();
    begin(&faulty, Call::Sync, Errno::IO, 1);
    let poisoned = queue.poisoned();
    let mut refused = 0;
    for number in 2..10 {
        // The first failed sync may be the witness's.
        match step(queue.append(large(number))).await {
            Err(AppendError::Poisoned) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 8);
    step(poisoned).await;
    assert!(queue.status().is_poisoned);
    queue.shutdown().await;
    let queue = open(dir.path(), &["mqtt"]);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert_eq!(event_number(&step(cursor.next()).await), 1);
    queue.shutdown().await;
}

#[tokio::test]
async fn a_repeated_event_is_stored_once_and_answered_when_the_first_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let all = (0..50).map(|_| {
        tokio::spawn({
            let queue = queue.clone();
            async move { queue.append(large(7)).await }
        })
    });
    let mut stored = Vec::new();
    let mut repeated = Vec::new();
    for append in all.collect::<Vec<_>>() {
        match step(append).await.unwrap().unwrap() {
            Appended::Stored(sequence) => stored.push(sequence),
            Appended::Duplicate(original) => repeated.push(original.sequence),
        }
    }
    assert_eq!((stored.len(), repeated.len()), (1, 49));
    assert!(repeated.iter().all(|sequence| *sequence == stored[0]));
    queue.shutdown().await;
    let queue = open(dir.path(), &["mqtt"]);
    let again = step(queue.append(large(7))).await.unwrap();
    assert!(
        matches!(again, Appended::Duplicate(original) if original.sequence == stored[0]),
        "also after a restart: {again:?}"
    );
    let mut other = large(7);
    other.event.revision.0 += 1;
    assert!(
        matches!(
            step(queue.append(other)).await.unwrap(),
            Appended::Stored(_)
        ),
        "another content is another event"
    );
    queue.shutdown().await;
}

/// An event with this content, live or for the record.
fn told(act_before: Act, content: u8, pictures: &[Picture]) -> Entry {
    let mut entry = entry(1, PersonType::Visitor, Lane::Normal, pictures);
    let content = ContentDigest([content; 32]);
    entry.event.feed = if act_before == Act::Never {
        Feed::History
    } else {
        Feed::Realtime
    };
    entry.event.decide(act_before, &content);
    entry.live_revision = (act_before == Act::Never).then(|| Revision::live(&content));
    entry
}

const LIVE: Act = Act::Before(Timestamp(i64::MAX));

/// Which of these are stored, one after the other; also where the gateway starts again between any two.
async fn stored(entries: Vec<Entry>) -> Vec<bool> {
    let (dir, again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let queue = open(dir.path(), &["mqtt"]);
    let mut found = Vec::new();
    for entry in entries {
        let is_stored = matches!(
            step(queue.append(entry.clone())).await.unwrap(),
            Appended::Stored(_)
        );
        let restarted = open(again.path(), &["mqtt"]);
        let is_stored_again = matches!(
            step(restarted.append(entry)).await.unwrap(),
            Appended::Stored(_)
        );
        restarted.shutdown().await;
        assert_eq!(
            is_stored,
            is_stored_again,
            "{} and after a restart",
            found.len()
        );
        found.push(is_stored);
    }
    queue.shutdown().await;
    found
}

#[tokio::test]
async fn a_live_one_after_a_record_goes_out_and_a_record_after_a_live_one_does_not() {
    assert_eq!(
        stored(vec![
            told(Act::Never, 1, &[]),
            told(LIVE, 1, &[]),
            told(LIVE, 1, &[])
        ])
        .await,
        [true, true, false]
    );
    assert_eq!(
        stored(vec![
            told(LIVE, 1, &[]),
            told(Act::Never, 1, &[]),
            told(LIVE, 1, &[])
        ])
        .await,
        [true, false, false]
    );
}

#[tokio::test]
async fn history_with_other_content_is_delivered_and_the_same_content_once() {
    let history = |content| told(Act::Never, content, &[]);
    assert_eq!(
        stored(vec![history(1), history(2), history(1), history(2)]).await,
        [true, true, false, false]
    );
    assert_eq!(
        stored(vec![told(LIVE, 1, &[]), history(2), history(1), history(2)]).await,
        [true, true, false, false]
    );
}

#[tokio::test]
async fn a_record_that_brings_a_picture_is_no_duplicate() {
    let (face, infrared) = (
        picture(PictureKind::Face, 1, 900),
        picture(PictureKind::Infrared, 2, 900),
    );
    let (few, all) = ([face.clone()], [face, infrared]);
    assert_eq!(
        stored(vec![
            told(LIVE, 1, &few),
            told(Act::Never, 1, &all),
            told(Act::Never, 1, &all)
        ])
        .await,
        [true, true, false]
    );
    assert_eq!(
        stored(vec![
            told(LIVE, 1, &all),
            told(Act::Never, 1, &few),
            told(Act::Never, 1, &[])
        ])
        .await,
        [true, false, false]
    );
}

#[tokio::test]
async fn what_could_not_be_written_is_not_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(
        Settings {
            max_bytes: 1 << 20,
            ..settings(dir.path())
        },
        &["mqtt"],
    )
    .unwrap();
    let number = fill(&queue).await + 1;
    assert!(matches!(
        step(queue.append(large(number))).await,
        Err(AppendError::Full { .. })
    ));
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    drain(&mut cursor, number as usize - 1).await;
    assert!(matches!(
        step(queue.append(large(number))).await,
        Ok(Appended::Stored(_))
    ));
    queue.shutdown().await;
}
