//! How long the oldest record has waited, of each destination and lane.

use boxbridge::queue::Queue;
use boxbridge_event::{Lane, PersonType};

use crate::queue::support::{directory, entry, settings, step};

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
        .followers
        .iter()
        .find(|it| it.destination == "mqtt" && it.lane == Lane::Normal)
        .unwrap();
    assert_eq!((mqtt.waiting, mqtt.oldest_waiting), (1, Some(received_at)));
    queue.shutdown().await;
}
