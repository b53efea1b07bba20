//! What goes into the queue comes out, once it is durable, for everyone, across restarts.

use std::time::Duration;

use boxbridge::queue::{Appended, OpenError, Outcome, Queue, inspect};
use boxbridge_event::{
    Lane, PersonType, PictureKind, PictureSet, PictureVerdict, Sequence, Timestamp,
};

use crate::queue::support::{
    drain, entry, event_number, files, killed, nothing, open, picture, settings, sizes, step,
};

/// accepted = delivered + set aside + expired + waiting, for everyone.
fn assert_identity(queue: &Queue) {
    for follower in queue.status().followers {
        assert_eq!(
            follower.accepted,
            follower.tally.total() + follower.waiting,
            "{follower:?}"
        );
    }
}

async fn append(
    queue: &Queue,
    numbers: impl IntoIterator<Item = u64>,
    person_type: PersonType,
    lane: Lane,
) {
    for number in numbers {
        let appended = step(queue.append(entry(number, person_type, lane, &[])))
            .await
            .expect("room");
        assert!(matches!(appended, Appended::Stored(_)));
    }
}

#[tokio::test]
async fn what_was_appended_comes_out_in_order_per_lane_with_its_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "store"]);
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    let mut normal = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert!(
        queue.cursor("mqtt", Lane::Normal).is_none(),
        "each is taken once"
    );
    for number in 1..=200u64 {
        let lane = if number % 10 == 0 {
            Lane::Urgent
        } else {
            Lane::Normal
        };
        let pictures = [picture(PictureKind::Scene, number, 5000)];
        assert!(matches!(
            queue
                .append(entry(number, PersonType::Vip, lane, &pictures))
                .await
                .unwrap(),
            Appended::Stored(_)
        ));
    }
    assert_eq!(
        drain(&mut urgent, 20).await,
        (1..=20).map(|tens| tens * 10).collect::<Vec<_>>()
    );
    for number in (1..=200u64).filter(|number| number % 10 != 0) {
        let record = step(normal.next()).await;
        assert_eq!(event_number(&record), number);
        assert_eq!(
            record.pictures().await.unwrap(),
            [picture(PictureKind::Scene, number, 5000)]
        );
        normal.answer(record.sequence, Outcome::Delivered);
    }
    let status = queue.status();
    assert_eq!(sizes(&status, "mqtt", Lane::Normal), (180, 180, 0));
    assert_eq!(sizes(&status, "store", Lane::Normal), (180, 0, 180));
    assert_identity(&queue);
    queue.shutdown().await;
}

#[tokio::test]
async fn the_normal_lane_can_tell_that_an_alert_waits_at_its_destination() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    let normal = queue.cursor("mqtt", Lane::Normal).unwrap();
    append(&queue, 1..=1, PersonType::Visitor, Lane::Normal).await;
    assert!(!normal.urgent_waits(), "its own records are none");
    append(&queue, 2..=2, PersonType::Blacklist, Lane::Urgent).await;
    assert!(normal.urgent_waits(), "not handed out yet");
    let record = step(urgent.next()).await;
    assert!(normal.urgent_waits(), "handed out, and without an answer");
    urgent.answer(record.sequence, Outcome::Delivered);
    assert!(
        !normal.urgent_waits(),
        "what kafka has not answered is not waited for"
    );
    queue.shutdown().await;
}

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
    let before = queue.status().followers;
    queue.shutdown().await;

    let queue = open(dir.path(), &["mqtt", "kafka"]);
    assert!(queue.was_clean());
    assert_eq!(queue.epoch(), epoch);
    let status = queue.status();
    let now: Vec<_> = status
        .followers
        .iter()
        .filter(|follower| follower.destination == "mqtt")
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
async fn from_outside_the_counts_are_exact_while_it_runs_and_when_it_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "store"]);
    for number in 1..=20 {
        let pictures = [picture(PictureKind::Scene, number, 5000)];
        step(queue.append(entry(number, PersonType::Vip, Lane::Normal, &pictures)))
            .await
            .unwrap();
    }
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 7).await;
    for is_running in [true, false] {
        if !is_running {
            queue.shutdown().await;
        }
        let report = inspect::verify(dir.path()).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.records, report.lost), (20, 0));
        let overview = inspect::status(dir.path()).unwrap();
        assert_eq!(
            (overview.is_locked, overview.is_clean),
            (is_running, !is_running)
        );
        assert_eq!(
            overview
                .segments
                .iter()
                .map(|segment| segment.records)
                .sum::<usize>(),
            20
        );
    }
    let counted = |overview: inspect::Overview| {
        let mut cursors = overview.cursors.into_iter();
        cursors
            .find(|cursor| cursor.destination == "mqtt" && cursor.lane == Lane::Normal)
            .unwrap()
            .counted
            .unwrap()
    };
    assert_eq!(counted(inspect::status(dir.path()).unwrap()).waiting, 13);
    let mut records = Vec::new();
    inspect::records(dir.path(), |record| {
        records.push((record.sequence.0, record.pictures_bytes));
        records.len() < 5
    })
    .unwrap();
    assert_eq!(
        records,
        (1..=5).map(|sequence| (sequence, 5000)).collect::<Vec<_>>()
    );
    inspect::forget(dir.path(), "store").unwrap();
    open(dir.path(), &["mqtt"]).shutdown().await;
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_has_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    assert!(matches!(
        Queue::open(settings(dir.path()), &["mqtt"]),
        Err(OpenError::Locked { .. })
    ));
    queue.shutdown().await;
    open(dir.path(), &["mqtt"]).shutdown().await;
}

#[tokio::test]
async fn a_second_process_is_refused_also_where_the_lock_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    std::fs::remove_file(dir.path().join("lock")).unwrap();

    for _ in 0..2 {
        assert!(matches!(
            Queue::open(settings(dir.path()), &["mqtt"]),
            Err(OpenError::Locked { .. })
        ));
    }
    queue.shutdown().await;
    open(dir.path(), &["mqtt"]).shutdown().await;
}

#[tokio::test]
async fn a_destination_switched_off_with_records_waiting_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    append(&queue, 1..=3, PersonType::Visitor, Lane::Normal).await;
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 3).await;
    queue.shutdown().await;
    let Err(refusal) = Queue::open(settings(dir.path()), &["mqtt"]) else {
        panic!("opened")
    };
    assert!(
        refusal
            .to_string()
            .ends_with("boxbridge queue forget kafka"),
        "{refusal}"
    );
    let queue = open(dir.path(), &["kafka"]);
    drain(&mut queue.cursor("kafka", Lane::Normal).unwrap(), 3).await;
    append(&queue, 4..=5, PersonType::Visitor, Lane::Normal).await;
    queue.shutdown().await;
    // Switched on again it joins at the end: it missed what came meanwhile.
    let queue = open(dir.path(), &["mqtt", "kafka"]);
    assert_eq!(sizes(&queue.status(), "mqtt", Lane::Normal), (0, 0, 0));
    assert_eq!(sizes(&queue.status(), "kafka", Lane::Normal), (5, 3, 2));
    queue.shutdown().await;
}

#[tokio::test]
async fn a_paused_type_holds_back_only_itself_and_is_caught_up() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let both = |number: u64| {
        if number.is_multiple_of(2) {
            PersonType::Visitor
        } else {
            PersonType::Employee
        }
    };
    for number in 1..=400 {
        append(&queue, [number], both(number), Lane::Normal).await;
        if number == 10 {
            assert_eq!(drain(&mut cursor, 10).await, (1..=10).collect::<Vec<_>>());
            cursor.pause(PersonType::Visitor);
        }
    }
    assert_eq!(
        drain(&mut cursor, 195).await,
        (11..=400)
            .filter(|number| number % 2 == 1)
            .collect::<Vec<_>>()
    );
    assert!(nothing(cursor.next()).await);
    assert_eq!(
        sizes(&queue.status(), "mqtt", Lane::Normal),
        (400, 205, 195)
    );
    let copy = killed(dir.path());
    append(&queue, 401..=402, PersonType::Employee, Lane::Normal).await;
    cursor.resume(PersonType::Visitor);
    let caught_up = drain(&mut cursor, 197).await;
    let place = |wanted: u64| {
        caught_up
            .iter()
            .position(|number| *number == wanted)
            .unwrap()
    };
    assert!(
        place(401) < 20,
        "the others go on beside what is caught up: {caught_up:?}"
    );
    let visitors: Vec<_> = caught_up
        .iter()
        .copied()
        .filter(|number| number % 2 == 0 && *number <= 400)
        .collect();
    assert_eq!(visitors, (12..=400).step_by(2).collect::<Vec<_>>());
    assert_identity(&queue);
    queue.shutdown().await;

    // A kill while it was paused: what was held back is still there, once each.
    let queue = open(copy.path(), &["mqtt"]);
    let waiting = sizes(&queue.status(), "mqtt", Lane::Normal).2 as usize;
    let again = drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), waiting).await;
    assert!((12..=400).step_by(2).all(|number| again.contains(&number)));
    queue.shutdown().await;
}

#[tokio::test]
async fn a_lost_session_gets_again_what_has_no_answer_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=100, PersonType::Visitor, Lane::Normal).await;
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    for _ in 0..90 {
        let record = step(cursor.next()).await;
        if record.sequence.0 % 3 == 0 {
            cursor.answer(record.sequence, Outcome::Delivered);
        }
    }
    cursor.rewind();
    let expected: Vec<_> = (1..=100)
        .filter(|number| number % 3 != 0 || *number > 90)
        .collect();
    assert_eq!(drain(&mut cursor, expected.len()).await, expected);
    assert!(nothing(cursor.next()).await);
    assert_eq!(sizes(&queue.status(), "mqtt", Lane::Normal), (100, 100, 0));
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
            .followers
            .iter()
            .all(|follower| follower.replays == 0)
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
async fn an_append_goes_on_when_its_caller_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    let mut append = Box::pin(queue.append(entry(1, PersonType::Vip, Lane::Normal, &[])));
    // Handed over at the first poll; the answer takes a sync, so it cannot be there yet.
    let _ = tokio::time::timeout(Duration::ZERO, &mut append).await;
    drop(append);
    assert_eq!(drain(&mut cursor, 1).await, [1]);
    queue.shutdown().await;
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
