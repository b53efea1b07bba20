//! What goes into the queue comes out once it is durable: in order, per lane and per person type, once for every destination.

use std::time::Duration;

use boxbridge::queue::{Appended, Outcome};
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::queue::support::{
    append, assert_identity, drain, entry, event_number, killed, nothing, open, picture, sizes,
    step,
};

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
