//! What the queue knows outlives the process: positions and counts, verdicts, replays; where it cannot be read, everything comes again.

use boxbridge::queue::Outcome;
use boxbridge_event::{
    Lane, PersonType, PictureKind, PictureSet, PictureVerdict, Sequence, Timestamp,
};

use crate::queue::support::{
    append, assert_identity, drain, event_number, files, nothing, open, sizes, step,
};

#[tokio::test]
async fn counts_and_positions_are_exact_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    assert!(
        queue.was_clean(),
        "nothing was cut short before the first start"
    );
    let epoch = queue.epoch().to_owned();
    append(&queue, 1..=30, PersonType::Visitor, Lane::Normal).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    for (place, outcome) in [
        Outcome::Delivered,
        Outcome::SetAside,
        Outcome::Expired { rule: "keep" },
    ]
    .iter()
    .cycle()
    .take(10)
    .enumerate()
    {
        let record = step(cursor.next()).await;
        assert_eq!(event_number(&record), place as u64 + 1);
        cursor.answer(record.sequence, *outcome);
    }
    let before = queue.status().subscriptions;
    queue.shutdown().await;

    let queue = open(dir.path(), &["mqtt", "kafka"]);
    assert!(queue.was_clean());
    assert_eq!(queue.epoch(), epoch);
    let status = queue.status();
    let now: Vec<_> = status
        .subscriptions
        .iter()
        .filter(|subscription| subscription.destination == "mqtt")
        .cloned()
        .collect();
    for (before, now) in before.iter().zip(&now) {
        assert_eq!(
            (before.accepted, &before.tally, before.waiting),
            (now.accepted, &now.tally, now.waiting)
        );
    }
    assert_eq!(sizes(&status, "mqtt", Lane::Normal), (30, 10, 20));
    assert_eq!(
        sizes(&status, "kafka", Lane::Normal),
        (0, 0, 0),
        "a new destination joins at the end"
    );
    append(&queue, 31..=40, PersonType::Visitor, Lane::Normal).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let record = step(cursor.next()).await;
    assert!(record.appended_before_this_process);
    cursor.rewind();
    assert_eq!(drain(&mut cursor, 30).await, (11..=40).collect::<Vec<_>>());
    assert_eq!(
        drain(&mut queue.cursor("kafka", Lane::Normal).unwrap(), 10).await,
        (31..=40).collect::<Vec<_>>()
    );
    assert_identity(&queue);
    queue.shutdown().await;
}

#[tokio::test]
async fn a_verdict_on_pictures_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "store"]);
    append(&queue, 1..=5, PersonType::Visitor, Lane::Normal).await;
    let mut verdicts = queue.verdicts(Lane::Normal);
    let mut store = queue.cursor("store", Lane::Normal).unwrap();
    let mut missing = PictureVerdict::default();
    missing.missing.insert(PictureKind::Face);
    for number in 1..=4 {
        let record = step(store.next()).await;
        let verdict = if number == 2 || number == 3 {
            missing
        } else {
            PictureVerdict::default()
        };
        assert_eq!(
            verdicts.of(record.sequence, record.lane, record.person_type),
            None
        );
        store.settle(record.sequence, verdict, Outcome::SetAside);
        step(verdicts.changed()).await;
        assert_eq!(
            verdicts.of(record.sequence, record.lane, record.person_type),
            Some(verdict)
        );
    }
    queue.shutdown().await;
    let queue = open(dir.path(), &["mqtt", "store"]);
    let verdicts = queue.verdicts(Lane::Normal);
    let expected = [
        Some(PictureVerdict::default()),
        Some(missing),
        Some(missing),
        Some(PictureVerdict::default()),
        None,
    ];
    assert_eq!(
        [1, 2, 3, 4, 5].map(|number| verdicts.of(
            Sequence(number),
            Lane::Normal,
            PersonType::Visitor
        )),
        expected
    );
    assert!(missing.missing != PictureSet::default());
    queue.shutdown().await;
}

#[tokio::test]
async fn a_replay_comes_after_what_is_live_survives_a_restart_and_counts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=6, PersonType::Visitor, Lane::Normal).await;
    append(&queue, 7..=8, PersonType::Vip, Lane::Urgent).await;
    drain(&mut queue.cursor("mqtt", Lane::Urgent).unwrap(), 2).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    drain(&mut cursor, 6).await;
    let id = queue.replay("mqtt", Timestamp(0)).unwrap();
    append(&queue, [9], PersonType::Visitor, Lane::Normal).await;
    assert_eq!(event_number(&step(cursor.next()).await), 9, "live first");
    for number in 1..=3 {
        let record = step(cursor.next()).await;
        assert_eq!(
            (event_number(&record), record.replay.as_deref()),
            (number, Some(id.as_str()))
        );
        cursor.answer(record.sequence, Outcome::Delivered);
    }
    cursor.answer(Sequence(9), Outcome::Delivered);
    queue.shutdown().await;

    let queue = open(dir.path(), &["mqtt"]);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    for number in 4..=8 {
        let record = step(cursor.next()).await;
        assert_eq!(
            (event_number(&record), record.replay.as_deref()),
            (number, Some(id.as_str()))
        );
        cursor.answer(record.sequence, Outcome::Delivered);
    }
    assert!(nothing(cursor.next()).await);
    assert_eq!(sizes(&queue.status(), "mqtt", Lane::Normal), (7, 7, 0));
    assert!(
        queue
            .status()
            .subscriptions
            .iter()
            .all(|subscription| subscription.replays == 0)
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn an_unreadable_cursor_repeats_everything_as_a_replay_and_loses_nothing() {
    for damage in ["newer slot", "both slots", "file"] {
        let dir = tempfile::tempdir().unwrap();
        let queue = open(dir.path(), &["mqtt"]);
        append(&queue, 1..=10, PersonType::Visitor, Lane::Normal).await;
        drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 4).await;
        queue.shutdown().await;
        let path = files(dir.path(), "cursor-mqtt-normal").remove(0);
        let mut bytes = std::fs::read(&path).unwrap();
        let generation = |slot: usize| {
            u64::from_le_bytes(bytes[slot * 4096 + 8..slot * 4096 + 16].try_into().unwrap())
        };
        let newer = usize::from(generation(1) > generation(0));
        match damage {
            "newer slot" => bytes[newer * 4096 + 20] ^= 1,
            _ => (bytes[20], bytes[4096 + 20]) = (0, 0),
        }
        std::fs::write(&path, &bytes).unwrap();
        if damage == "file" {
            std::fs::remove_file(&path).unwrap();
        }
        let queue = open(dir.path(), &["mqtt"]);
        let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
        append(&queue, [11], PersonType::Visitor, Lane::Normal).await;
        let mut got = std::collections::BTreeSet::new();
        while !(5..=11).all(|number| got.contains(&number)) {
            let record = step(cursor.next()).await;
            assert!(record.sequence.0 == 11 || (damage == "newer slot") == record.replay.is_none());
            got.insert(event_number(&record));
            cursor.answer(record.sequence, Outcome::Delivered);
        }
        assert_identity(&queue);
        queue.shutdown().await;
    }
}

#[tokio::test]
async fn a_lost_cursor_repeats_its_own_lane_alone_and_what_is_still_to_do_is_counted() {
    for lost in [Lane::Normal, Lane::Urgent] {
        let dir = tempfile::tempdir().unwrap();
        let queue = open(dir.path(), &["mqtt"]);
        append(&queue, 1..=6, PersonType::Visitor, Lane::Normal).await;
        append(&queue, 7..=12, PersonType::Blacklist, Lane::Urgent).await;
        for lane in [Lane::Normal, Lane::Urgent] {
            drain(&mut queue.cursor("mqtt", lane).unwrap(), 6).await;
        }
        queue.shutdown().await;
        let path = files(dir.path(), &format!("cursor-mqtt-{lost}")).remove(0);
        std::fs::remove_file(path).unwrap();

        let queue = open(dir.path(), &["mqtt"]);
        let to_replay = || {
            let status = queue.status();
            let mut subscriptions = status.subscriptions.iter();
            let normal = subscriptions.find(|subscription| subscription.lane == Lane::Normal);
            let normal = normal.unwrap();
            (normal.replaying, normal.oldest_waiting.is_some())
        };
        assert_eq!(to_replay(), (6, true), "{lost}");
        let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
        let mut handed_out = Vec::new();
        for _ in 0..6 {
            let record = step(cursor.next()).await;
            assert!(record.replay.is_some() && record.lane == lost, "{lost}");
            handed_out.push(record.sequence);
        }
        // In any order: what is answered is not to do any more.
        for (answered, sequence) in (1..).zip(handed_out.into_iter().rev()) {
            cursor.answer(sequence, Outcome::Delivered);
            assert_eq!(to_replay().0, 6 - answered, "{lost}");
        }
        assert_eq!(to_replay(), (0, false), "{lost}");
        assert_identity(&queue);
        queue.shutdown().await;
    }
}

#[tokio::test]
async fn after_a_restart_records_of_several_types_come_in_the_order_they_were_appended() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let types = [
        PersonType::Employee,
        PersonType::Visitor,
        PersonType::Stranger,
    ];
    for number in 1..=30_u64 {
        let person_type = types[usize::try_from(number).unwrap() % 3];
        append(&queue, [number], person_type, Lane::Normal).await;
    }
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    // Employees are answered further than the others: their place is another.
    for _ in 1..=15 {
        let record = step(cursor.next()).await;
        if record.person_type == PersonType::Employee {
            cursor.answer(record.sequence, Outcome::Delivered);
        }
    }
    drop(cursor);
    queue.shutdown().await;
    drop(queue);
    let queue = open(dir.path(), &["mqtt"]);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let again = drain(&mut cursor, 25).await;
    let in_order: Vec<u64> = (1..=30)
        .filter(|number| number % 3 != 0 || *number > 15)
        .collect();
    assert_eq!(again, in_order);
}
