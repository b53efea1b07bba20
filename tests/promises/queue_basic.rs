//! What goes into the queue comes out, once it is durable, for everyone, across restarts.

use std::path::Path;
use std::time::Duration;

use boxbridge::event::{Lane, PersonType, PictureKind, PictureSet, PictureVerdict};
use boxbridge::queue::{Appended, OpenError, Outcome, Queue};

use crate::queue_support::{drain, entry, event_number, open, picture, settings, sizes, step};

/// accepted = delivered + set aside + expired + waiting, for everyone.
fn assert_identity(queue: &Queue) {
    for follower in queue.status().followers {
        assert_eq!(follower.accepted, follower.tally.total() + follower.waiting, "{follower:?}");
    }
}

#[tokio::test]
async fn what_was_appended_comes_out_in_order_per_lane_with_its_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt", "store"]);
    let mut urgent = queue.cursor("mqtt", Lane::Urgent).unwrap();
    let mut normal = queue.cursor("mqtt", Lane::Normal).unwrap();
    assert!(queue.cursor("mqtt", Lane::Normal).is_none(), "each is taken once");
    for number in 1..=200u64 {
        let lane = if number % 10 == 0 { Lane::Urgent } else { Lane::Normal };
        let appended =
            queue.append(entry(number, PersonType::Vip, lane, &[picture(PictureKind::Scene, number, 5000)])).await.unwrap();
        assert!(matches!(appended, Appended::Stored(_)));
    }
    for number in (1..=200u64).filter(|number| number % 10 == 0) {
        let record = step(urgent.next()).await;
        assert_eq!(event_number(&record), number);
        urgent.answer(record.sequence, Outcome::Delivered);
    }
    for number in (1..=200u64).filter(|number| number % 10 != 0) {
        let record = step(normal.next()).await;
        assert_eq!(event_number(&record), number);
        assert_eq!(record.pictures().await.unwrap(), [picture(PictureKind::Scene, number, 5000)]);
        normal.answer(record.sequence, Outcome::Delivered);
    }
    let status = queue.status();
    assert_eq!(sizes(&status, "mqtt", Lane::Normal), (180, 180, 0));
    assert_eq!(sizes(&status, "store", Lane::Normal), (180, 0, 180));
    assert_identity(&queue);
    queue.shutdown().await;
}
