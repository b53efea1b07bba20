//! A place that the disk does not read: it holds what stands there and what must not overtake it, it is said, and in the end it is given up;
//! a disk that answers nothing is never given up.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use boxbridge::queue::{Entry, Queue, ROTTEN, Settings, inspect};
use boxbridge::system::disk::Disk;
use boxbridge_event::{EventId, Lane, NoPictures, PersonType, PictureKind, Timestamp};

use crate::queue::support::{
    directory, drain, entry, files, nothing, picture, settings, sizes, step,
};

/// A disk with bad sectors, and places that it does not answer for at all.
#[derive(Clone, Default)]
struct Sectors {
    bad: Arc<Mutex<Vec<Bad>>>,
    hangs: Arc<AtomicBool>,
}

/// A place in a file, or all of it.
struct Bad {
    file: PathBuf,
    place: Option<u64>,
}

impl Sectors {
    fn disk(&self) -> Disk {
        let sectors = self.clone();
        Disk::default().with_bad_places(move |path, range| {
            let is_bad = || {
                let bad = sectors.bad.lock();
                bad.iter().any(|bad| {
                    bad.file == path && bad.place.is_none_or(|place| range.contains(&place))
                })
            };
            while is_bad() && sectors.hangs.load(Ordering::SeqCst) {
                // The stimulus: the disk does not answer.
                std::thread::sleep(Duration::from_millis(5));
            }
            is_bad()
        })
    }

    fn break_at(&self, file: &Path, place: Option<u64>) {
        self.bad.lock().push(Bad {
            file: file.to_owned(),
            place,
        });
    }

    fn heal(&self) {
        self.bad.lock().clear();
    }
}

/// Nothing stays asleep when a test fails.
impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hangs.store(false, Ordering::SeqCst);
        self.0.heal();
    }
}

struct Hanging(Sectors);

fn large(number: u64, person_type: PersonType) -> Entry {
    entry(
        number,
        person_type,
        Lane::Normal,
        &[picture(PictureKind::Face, number, 5_000)],
    )
}

async fn append(queue: &Queue, numbers: impl IntoIterator<Item = u64>, person_type: PersonType) {
    for number in numbers {
        step(queue.append(large(number, person_type)))
            .await
            .unwrap();
    }
}

/// Where these bytes stand in the log.
fn place_of(dir: &Path, bytes: &[u8]) -> (PathBuf, u64) {
    let found = files(dir, "segment-").into_iter().find_map(|file| {
        let all = std::fs::read(&file).unwrap();
        let place = all
            .windows(bytes.len())
            .position(|window| window == bytes)?;
        Some((file, place as u64))
    });
    found.expect("it is in the log")
}

fn event_place(dir: &Path, number: u64) -> (PathBuf, u64) {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    place_of(dir, serde_json::to_string(&EventId(id)).unwrap().as_bytes())
}

fn opened(dir: &Path, sectors: &Sectors, unread_max: Duration) -> Queue {
    let settings = Settings {
        disk: sectors.disk(),
        unread_max,
        ..settings(dir)
    };
    Queue::open(settings, &["mqtt", "kafka"]).unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_from_a_place_that_the_disk_does_not_answer_for_holds_back_nothing_live() {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, HOUR);
    append(&queue, 1..=40, PersonType::Visitor).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    drain(&mut cursor, 40).await;
    let first = files(dir.path(), "segment-").remove(0);

    // The read for the replay hangs when the live event comes, and later it is one that failed and is asked again.
    queue
        .replay("mqtt", Timestamp(0))
        .expect("there is something to replay");
    for hangs in [true, false] {
        let _hanging = Hanging(sectors.clone());
        sectors.hangs.store(hangs, Ordering::SeqCst);
        sectors.break_at(&first, None);
        assert!(nothing(cursor.next()).await);
        let live = 100 + u64::from(hangs);
        append(&queue, [live], PersonType::Visitor).await;
        assert_eq!(drain(&mut cursor, 1).await, [live]);
        sectors.hangs.store(false, Ordering::SeqCst);
    }

    let replayed = drain(&mut cursor, 40).await;
    assert_eq!(replayed, (1..=40).collect::<Vec<_>>());
    queue.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_catches_up_from_a_place_that_the_disk_does_not_answer_for_holds_back_no_other()
{
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, HOUR);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    cursor.pause(PersonType::Stranger);
    append(&queue, 1..=20, PersonType::Stranger).await;
    append(&queue, 21..=40, PersonType::Visitor).await;
    drain(&mut cursor, 20).await;
    let first = files(dir.path(), "segment-").remove(0);

    let _hanging = Hanging(sectors.clone());
    sectors.hangs.store(true, Ordering::SeqCst);
    sectors.break_at(&first, None);
    cursor.resume(PersonType::Stranger);
    assert!(nothing(cursor.next()).await);
    append(&queue, 41..=45, PersonType::Visitor).await;
    assert_eq!(drain(&mut cursor, 5).await, [41, 42, 43, 44, 45]);

    sectors.heal();
    assert_eq!(drain(&mut cursor, 20).await, (1..=20).collect::<Vec<_>>());
    queue.shutdown().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_read_is_named_with_who_waits_for_it_and_nothing_of_it_ends() {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, HOUR);
    append(&queue, 1..=10, PersonType::Visitor).await;
    step(queue.append(entry(11, PersonType::Blacklist, Lane::Urgent, &[])))
        .await
        .unwrap();
    let (file, place) = event_place(dir.path(), 5);
    sectors.break_at(&file, Some(place));

    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert_eq!(drain(&mut cursor, 4).await, [1, 2, 3, 4]);
    assert!(
        nothing(cursor.next()).await,
        "of which device it tells is not known, and nothing may overtake it"
    );
    assert_eq!(
        drain(&mut queue.cursor("mqtt", Lane::Urgent).unwrap(), 1).await,
        [11]
    );
    let said = |outage: &String| {
        outage.starts_with("mqtt, normal: reading record 5 at ") && outage.contains("segment-")
    };
    assert!(
        queue.status().outages.iter().any(said),
        "{:?}",
        queue.status().outages
    );

    sectors.heal();
    assert_eq!(drain(&mut cursor, 6).await, [5, 6, 7, 8, 9, 10]);
    assert_eq!(
        (queue.status().rotten_records, queue.status().outages),
        (0, Vec::new())
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_read_for_long_while_the_disk_reads_others_counts_as_rotten_and_the_rest_goes_on()
 {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, Duration::from_millis(300));
    append(&queue, 1..=10, PersonType::Visitor).await;
    let (file, place) = event_place(dir.path(), 5);
    sectors.break_at(&file, Some(place));

    for destination in ["mqtt", "kafka"] {
        let mut cursor = queue.cursor(destination, Lane::Normal).unwrap();
        assert_eq!(drain(&mut cursor, 9).await, [1, 2, 3, 4, 6, 7, 8, 9, 10]);
        assert_eq!(
            sizes(&queue.status(), destination, Lane::Normal),
            (10, 10, 0)
        );
    }
    let status = queue.status();
    let expired = |destination: &str| {
        let subscription = status
            .subscriptions
            .iter()
            .find(|it| it.destination == destination && it.lane == Lane::Normal);
        subscription.unwrap().tally.expired.get(ROTTEN).copied()
    };
    assert_eq!(
        (expired("mqtt"), expired("kafka"), status.rotten_records),
        (Some(1), Some(1), 1)
    );
    assert_eq!(status.outages, Vec::<String>::new());
    queue.shutdown().await;
}

#[tokio::test]
async fn pictures_that_cannot_be_read_for_long_are_given_up_with_their_place() {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, Duration::from_millis(300));
    append(&queue, 1..=3, PersonType::Visitor).await;
    let (file, place) = place_of(dir.path(), &picture(PictureKind::Face, 2, 5_000).bytes);
    sectors.break_at(&file, Some(place));

    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let records = [
        step(cursor.next()).await,
        step(cursor.next()).await,
        step(cursor.next()).await,
    ];
    assert_eq!(
        step(records[2].pictures()).await.unwrap().len(),
        1,
        "the next one is there"
    );
    assert!(matches!(
        step(records[1].pictures()).await,
        Err(NoPictures::NotNow(_))
    ));
    let given_up = loop {
        match step(records[1].pictures()).await {
            Err(NoPictures::NotNow(_)) => tokio::task::yield_now().await,
            given_up => break given_up.unwrap_err().to_string(),
        }
    };
    assert!(
        given_up.contains("the pictures of record 2 at ")
            && given_up.contains("segment-0000000001"),
        "{given_up}"
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_disk_that_answers_nothing_is_never_given_up() {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, Duration::from_millis(100));
    append(&queue, 1..=5, PersonType::Visitor).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let first = step(cursor.next()).await;
    cursor.rewind();
    sectors.break_at(&files(dir.path(), "segment-")[0], None);

    // Long past the time after which one place is given up.
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        assert!(nothing(cursor.next()).await);
        assert!(matches!(
            step(first.pictures()).await,
            Err(NoPictures::NotNow(_))
        ));
    }

    sectors.heal();
    assert_eq!(drain(&mut cursor, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(queue.status().rotten_records, 0);
    queue.shutdown().await;
}

/// Twenty records in sealed segments, opened again without a look at an index. Breaks the index of the newest one.
async fn without_an_index(dir: &Path, sectors: &Sectors) -> (Queue, PathBuf) {
    let queue = opened(dir, sectors, HOUR);
    append(&queue, 1..=20, PersonType::Visitor).await;
    queue.shutdown().await;
    let overview = inspect::status(dir).unwrap();
    assert!(overview.segments.len() >= 2);

    let settings = Settings {
        dedupe_window: Duration::ZERO,
        disk: sectors.disk(),
        unread_max: Duration::from_millis(300),
        ..settings(dir)
    };
    let queue = Queue::open(settings, &["mqtt", "kafka"]).unwrap();
    // At the stop the last one was cut behind its trailer: before that block stands its index.
    let last = overview.segments.last().unwrap().path.clone();
    let index = std::fs::metadata(&last).unwrap().len() - 2 * 4096;
    sectors.break_at(&last, Some(index));
    (queue, last)
}

#[tokio::test]
async fn an_index_that_cannot_be_read_for_long_is_told_by_the_records() {
    let (dir, sectors) = (directory(), Sectors::default());
    let (queue, _) = without_an_index(dir.path(), &sectors).await;

    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert_eq!(drain(&mut cursor, 20).await, (1..=20).collect::<Vec<_>>());
    assert_eq!(queue.status().rotten_records, 0);
    queue.shutdown().await;
}

#[tokio::test]
async fn an_index_and_a_record_that_cannot_be_read_for_long_cost_that_record_and_hold_nobody_for_ever()
 {
    let (dir, sectors) = (directory(), Sectors::default());
    let (queue, last) = without_an_index(dir.path(), &sectors).await;
    let (file, event) = event_place(dir.path(), 20);
    assert_eq!(file, last);
    let bytes = std::fs::read(&file).unwrap();
    let before = &bytes[..event as usize];
    let header = before.windows(4).rposition(|word| word == b"BXR1").unwrap();
    sectors.break_at(&file, Some(header as u64));

    append(&queue, [21], PersonType::Vip).await;

    let others: Vec<u64> = (1..=19).chain([21]).collect();
    for destination in ["mqtt", "kafka"] {
        let mut cursor = queue.cursor(destination, Lane::Normal).unwrap();
        assert_eq!(drain(&mut cursor, 20).await, others);
        let sizes = sizes(&queue.status(), destination, Lane::Normal);
        assert_eq!(sizes, (21, 21, 0));
    }
    assert_eq!(queue.status().rotten_records, 1);
    queue.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_lost_while_the_disk_hangs_do_not_use_up_the_threads() {
    let (dir, sectors) = (directory(), Sectors::default());
    let queue = opened(dir.path(), &sectors, HOUR);
    append(&queue, 1..=5, PersonType::Visitor).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let _hanging = Hanging(sectors.clone());
    sectors.hangs.store(true, Ordering::SeqCst);
    sectors.break_at(&files(dir.path(), "segment-")[0], None);

    // More than the runtime has threads for what blocks.
    for _ in 0..600 {
        let _ = tokio::time::timeout(Duration::from_micros(200), cursor.next()).await;
        cursor.rewind();
    }
    step(tokio::task::spawn_blocking(|| ())).await.unwrap();

    sectors.heal();
    assert_eq!(drain(&mut cursor, 5).await, [1, 2, 3, 4, 5]);
    queue.shutdown().await;
}
