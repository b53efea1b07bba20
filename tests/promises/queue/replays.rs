//! What an operator has sent again: exactly what was meant, behind everything live, across a restart, and never at the cost of new events.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use boxbridge::queue::inspect::CursorSummary;
use boxbridge::queue::{
    Cursor, Entry, Outcome, Queue, Record, ReplayReport, ReplayState, Selection, SendAgain,
    Settings, inspect,
};
use boxbridge_event::{Lane, PersonType, Picture, PictureKind, Sequence, Timestamp};

use crate::queue::support::{
    assert_identity, drain, entry, event_number, files, killed, nothing, open, picture, settings,
    step, until,
};

fn received_at(number: u64) -> Timestamp {
    Timestamp(1_000_000 + number as i64)
}

/// Received one a millisecond; every third an urgent one of a VIP, every fifth of another device.
fn of_number(number: u64, pictures: &[Picture]) -> Entry {
    let (person_type, lane) = match number % 3 {
        0 => (PersonType::Vip, Lane::Urgent),
        _ => (PersonType::Visitor, Lane::Normal),
    };
    let mut entry = entry(number, person_type, lane, pictures);
    entry.event.received_at = received_at(number);
    if number.is_multiple_of(5) {
        entry.event.device.id = "door".to_owned();
    }
    entry
}

async fn append(queue: &Queue, numbers: RangeInclusive<u64>) {
    for number in numbers {
        step(queue.append(of_number(number, &[]))).await.unwrap();
    }
}

/// So many events, all of them delivered; both cursors.
async fn delivered(queue: &Queue, numbers: RangeInclusive<u64>) -> (Cursor, Cursor) {
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    let mut normal = queue.cursor("mqtt", Lane::Normal).unwrap();
    append(queue, numbers.clone()).await;
    let (vips, visitors): (Vec<u64>, Vec<u64>) = numbers.partition(|number| number % 3 == 0);
    drain(&mut urgent, vips.len()).await;
    drain(&mut normal, visitors.len()).await;
    (urgent, normal)
}

fn range(from: u64, to: u64) -> Selection {
    Selection {
        from: Some(received_at(from)),
        to: Some(received_at(to)),
        ..Selection::default()
    }
}

fn to_mqtt(selection: Selection) -> Vec<SendAgain> {
    vec![SendAgain {
        destination: "mqtt".to_owned(),
        selection,
    }]
}

/// Begins one; how many records of it are to come.
async fn send_again(queue: &Queue, id: &str, selection: Selection, rate: Option<u32>) -> u64 {
    let begun = queue.send_again(id.to_owned(), to_mqtt(selection), rate);
    let begun = step(begun).await.unwrap();
    begun
        .iter()
        .map(|survey| survey.records - survey.live)
        .sum()
}

/// The next record must be one of this replay.
async fn take(cursor: &mut Cursor, id: &str) -> u64 {
    let record: Record = step(cursor.next()).await;
    assert_eq!(record.replay.as_deref(), Some(id), "{record:?}");
    cursor.answer(record.sequence, Outcome::Delivered);
    event_number(&record)
}

async fn take_all(cursor: &mut Cursor, id: &str, records: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..records {
        numbers.push(take(cursor, id).await);
    }
    assert!(nothing(cursor.next()).await, "no more");
    numbers
}

fn the_only(queue: &Queue) -> ReplayReport {
    let mut reports = queue.replays();
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.remove(0)
}

type IsMeant = fn(&u64) -> bool;

#[tokio::test]
async fn exactly_what_is_meant_goes_out_again_in_order_and_counts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    let (_urgent, mut cursor) = delivered(&queue, 1..=300).await;
    let before = queue.status().subscriptions;

    let vips = Selection {
        person_types: vec![PersonType::Vip],
        ..range(100, 250)
    };
    let of_door = Selection {
        device: Some("door".to_owned()),
        ..range(100, 250)
    };
    let cases: [(Selection, IsMeant); 4] = [
        (range(100, 250), |_| true),
        (range(100, 101), |_| true),
        (vips, |number| number % 3 == 0),
        (of_door, |number| number % 5 == 0),
    ];
    for (selection, is_meant) in cases {
        let last = selection.to.unwrap().0 - 1_000_000;
        let expected: Vec<u64> = (100..last as u64).filter(is_meant).collect();
        let surveyed = queue.survey(to_mqtt(selection.clone()));
        let surveyed = step(surveyed).await.unwrap();
        assert_eq!(surveyed[0].records, expected.len() as u64);

        let records = send_again(&queue, "replay-1", selection, None).await;
        assert_eq!(records, expected.len() as u64, "as was said before");
        assert_eq!(take_all(&mut cursor, "replay-1", records).await, expected);
        let ended = &the_only(&queue).destinations[0];
        assert_eq!(
            (ended.state, ended.sent, ended.left()),
            (ReplayState::Over, records, 0)
        );
    }

    assert_eq!(
        send_again(&queue, "replay-2", range(301, 400), None).await,
        0
    );
    let after = queue.status().subscriptions;
    assert_eq!(before, after, "no count has changed");
    assert_identity(&queue);
    queue.shutdown().await;
}

#[tokio::test]
async fn live_records_go_first_and_one_that_was_never_delivered_comes_live_alone() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let (mut urgent, mut cursor) = delivered(&queue, 1..=30).await;
    append(&queue, 31..=33).await;

    let surveyed = step(queue.survey(to_mqtt(range(21, 34)))).await.unwrap();
    assert_eq!((surveyed[0].records, surveyed[0].live), (13, 3));
    assert_eq!(
        send_again(&queue, "replay-1", range(21, 34), None).await,
        10
    );
    assert_eq!(drain(&mut cursor, 2).await, [31, 32], "live first");
    for number in 21..=24 {
        assert_eq!(take(&mut cursor, "replay-1").await, number);
    }

    append(&queue, 34..=35).await;
    let live = step(cursor.next()).await;
    assert_eq!((event_number(&live), live.replay), (34, None), "at once");
    assert_eq!(event_number(&step(cursor.next()).await), 35);
    // Delivered meanwhile, so they go out again; the urgent one is still to come, live.
    let rest = [25, 26, 27, 28, 29, 30, 31, 32];
    assert_eq!(take_all(&mut cursor, "replay-1", 8).await, rest);
    assert_eq!(drain(&mut urgent, 1).await, [33]);

    let ended = &the_only(&queue).destinations[0];
    assert_eq!((ended.sent, ended.live, ended.left()), (12, 1, 0));
    cursor.answer(Sequence(34), Outcome::Delivered);
    cursor.answer(Sequence(35), Outcome::Delivered);
    assert_identity(&queue);
    queue.shutdown().await;
}

#[tokio::test]
async fn a_kill_in_the_middle_repeats_little_and_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let (_urgent, mut cursor) = delivered(&queue, 1..=200).await;
    let of_door = Selection {
        device: Some("door".to_owned()),
        ..range(1, 201)
    };
    // A kill repeats live ones that no slot has.
    let all = || inspect::status(dir.path()).unwrap().cursors;
    let waiting = |cursor: &CursorSummary| cursor.counted.as_ref().map(|counted| counted.waiting);
    let is_kept = || all().iter().all(|cursor| waiting(cursor) == Some(0));
    until(|| format!("{:?}", all()), is_kept).await;

    assert_eq!(
        send_again(&queue, "replay-1", of_door.clone(), Some(50_000)).await,
        40
    );
    let begun = killed(dir.path());

    for number in 1..=15 {
        assert_eq!(take(&mut cursor, "replay-1").await, number * 5);
    }
    // One without an answer holds the place.
    let open_one = step(cursor.next()).await;
    assert_eq!(event_number(&open_one), 80);
    assert_eq!(take(&mut cursor, "replay-1").await, 85);
    let sent = |queue: &Queue| the_only(queue).destinations[0].sent;
    assert_eq!(sent(&queue), 16);
    queue.shutdown().await;

    for (left, from) in [(begun.path(), 1), (dir.path(), 16)] {
        let again = open(left, &["mqtt"]);
        let report = the_only(&again);
        assert_eq!(
            (report.id.as_str(), report.rate),
            ("replay-1", Some(50_000))
        );
        assert_eq!(report.destinations[0].selection, of_door);
        assert_eq!(report.destinations[0].records, 40);

        let mut cursor = again.cursor("mqtt", Lane::Normal).unwrap();
        let expected: Vec<u64> = (from..=40).map(|number| number * 5).collect();
        let records = expected.len() as u64;
        assert_eq!(take_all(&mut cursor, "replay-1", records).await, expected);
        assert_eq!(sent(&again), 40, "each counts once");
        assert_identity(&again);
        again.shutdown().await;
    }
}

/// The text of the slots of the normal lane.
fn slots(dir: &Path) -> String {
    let path = files(dir, "cursor-mqtt-normal").remove(0);
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

#[tokio::test]
async fn a_version_that_knows_no_filter_does_not_take_the_whole_range_for_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let (_urgent, _cursor) = delivered(&queue, 1..=30).await;
    let one = Selection {
        device: Some("door".to_owned()),
        ..range(1, 31)
    };
    assert_eq!(send_again(&queue, "replay-1", one, None).await, 6);
    let text = slots(dir.path());
    assert!(
        text.contains("\"replays\":[],\"errands\":[{\"id\":\"replay-1\""),
        "{text}"
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_rate_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let (_urgent, mut cursor) = delivered(&queue, 1..=30).await;
    let began = Instant::now();
    assert_eq!(
        send_again(&queue, "replay-1", range(1, 7), Some(10)).await,
        6
    );
    assert_eq!(
        take_all(&mut cursor, "replay-1", 6).await,
        [1, 2, 3, 4, 5, 6]
    );
    // Five times a tenth of a second, but for what a late timer may catch up.
    assert!(
        began.elapsed() >= Duration::from_millis(450),
        "{:?}",
        began.elapsed()
    );

    let began = Instant::now();
    assert_eq!(
        send_again(&queue, "replay-2", range(1, 31), Some(1)).await,
        30
    );
    take(&mut cursor, "replay-2").await;
    append(&queue, 31..=31).await;
    assert_eq!(
        drain(&mut cursor, 1).await,
        [31],
        "live ones do not wait for it"
    );
    assert!(began.elapsed() < Duration::from_secs(29));
    queue.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_one_hands_out_nothing_more_and_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let (_urgent, mut cursor) = delivered(&queue, 1..=100).await;
    assert_eq!(
        send_again(&queue, "replay-1", range(1, 101), None).await,
        100
    );
    assert_eq!(
        send_again(&queue, "replay-2", range(1, 101), None).await,
        0,
        "one at a time"
    );
    take(&mut cursor, "replay-1").await;
    let on_its_way = step(cursor.next()).await;
    assert!(cursor.is_wanted(&on_its_way));

    let cancel = |id: &str| queue.cancel_replay(id.to_owned());
    assert!(!step(cancel("replay-2")).await.unwrap(), "another one");
    assert!(step(cancel("replay-1")).await.unwrap());
    assert!(!cursor.is_wanted(&on_its_way), "it need not be sent");
    assert!(nothing(cursor.next()).await);
    let ended = &the_only(&queue).destinations[0];
    assert_eq!(
        (ended.state, ended.sent, ended.left()),
        (ReplayState::Cancelled, 1, 99)
    );
    queue.shutdown().await;

    let queue = open(dir.path(), &["mqtt"]);
    assert_eq!(queue.replays(), []);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert!(nothing(cursor.next()).await);
    queue.shutdown().await;
}

#[tokio::test]
async fn a_replay_holds_what_it_needs_past_the_window_but_not_against_new_events() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        max_bytes: 1 << 20,
        upkeep_interval: Duration::from_millis(10),
        ..settings(dir.path())
    };
    let queue = Queue::open(settings.clone(), &["mqtt"]).unwrap();
    let large = |number| of_number(number, &[picture(PictureKind::Face, number, 5_000)]);
    let (mut urgent, mut cursor) = delivered(&queue, 1..=3).await;
    for number in 4..=40 {
        step(queue.append(large(number))).await.unwrap();
    }
    drain(&mut urgent, 12).await;
    drain(&mut cursor, 25).await;
    let records = send_again(&queue, "replay-1", range(4, 41), None).await;
    assert_eq!(records, 37);
    take(&mut cursor, "replay-1").await;
    queue.shutdown().await;

    // From now on no window holds anything.
    let settings = Settings {
        replay_window: Duration::ZERO,
        ..settings
    };
    let queue = Queue::open(settings, &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    assert_eq!(take(&mut cursor, "replay-1").await, 5);
    assert!(nothing(urgent.next()).await, "time for the keeper");
    let kept = queue.status().oldest;
    assert!(kept.unwrap() <= Sequence(6), "{kept:?}");

    for number in 1_001..=1_300 {
        step(queue.append(large(number)))
            .await
            .expect("room for what is new");
        match number % 3 {
            0 => drain(&mut urgent, 1).await,
            _ => drain(&mut cursor, 1).await,
        };
    }
    let mut sent = 2;
    while the_only(&queue).is_running() {
        // It may be over without another record.
        let next = tokio::time::timeout(Duration::from_millis(20), cursor.next());
        if let Ok(record) = next.await {
            assert_eq!(record.replay.as_deref(), Some("replay-1"));
            cursor.answer(record.sequence, Outcome::Delivered);
            sent += 1;
        }
    }
    let ended = &the_only(&queue).destinations[0];
    assert_eq!((ended.state, ended.sent), (ReplayState::Over, sent));
    assert!(
        ended.left() > 0,
        "it says what it could not send: {ended:?}"
    );
    let of_old = || format!("{:?}", queue.status().oldest);
    until(of_old, || queue.status().oldest > Some(Sequence(40))).await;
    queue.shutdown().await;
}
