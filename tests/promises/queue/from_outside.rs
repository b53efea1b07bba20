//! The directory as others find it: one process owns it, commands may look, and no destination disappears with records waiting.

use boxbridge::queue::{OpenError, Queue, inspect};
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::queue::support::{
    append, directory, drain, entry, open, picture, settings, sizes, step,
};

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
    inspect::forget(dir.path(), "store", || Ok(())).unwrap();
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
async fn a_record_that_was_handed_out_waits_also_where_another_type_is_paused_and_has_none() {
    let dir = directory();
    let queue = Queue::open(settings(dir.path()), &["mqtt"]).unwrap();
    let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
    cursor.pause(PersonType::Visitor);
    let appended = entry(1, PersonType::Vip, Lane::Normal, &[]);
    let received_at = appended.event.received_at;
    step(queue.append(appended)).await.unwrap();

    let handed_out = step(cursor.next()).await;
    assert_eq!(handed_out.person_type, PersonType::Vip);

    let status = queue.status();
    let mqtt = status
        .subscriptions
        .iter()
        .find(|it| it.destination == "mqtt" && it.lane == Lane::Normal)
        .unwrap();
    assert_eq!((mqtt.waiting, mqtt.oldest_waiting), (1, Some(received_at)));
    queue.shutdown().await;
}
