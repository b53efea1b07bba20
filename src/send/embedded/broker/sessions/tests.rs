//! Sessions and their limits, where no connection shows them.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::packet::connect::Will;
use super::*;

fn message(topic: String, payload: Vec<u8>, held: &HeldBytes) -> Arc<Message> {
    let will = Will {
        topic,
        payload: Bytes::from(payload),
        qos: 1,
        retain: true,
        is_text: false,
        content_type: None,
    };
    Message::of_will(&will, held).unwrap()
}

#[test]
fn what_is_on_its_way_to_others_costs_a_subscriber_without_a_backlog_nothing() {
    let sessions = Sessions::new();
    let half = vec![0; HELD_MAX / 2 + 1];
    let topic = "boxbridge/default/events/vip/gate";
    // Held as by a writer in the middle of it.
    let _under_way: Vec<_> = (0..2)
        .map(|_| message(topic.to_owned(), half.clone(), &sessions.held))
        .collect();
    let from = ShareKey::of_peer("127.0.0.1");
    let connection = ConnectionHandle {
        number: 1,
        from,
        wake: Arc::default(),
        closing: Arc::default(),
        receive_maximum: 10,
    };
    sessions.connect("screen", connection, true, None);

    sessions.make_room(&mut sessions.lock());

    assert!(sessions.held.bytes() > HELD_MAX);
    assert!(sessions.lock().session("screen", 1).is_some());
    assert_eq!(sessions.dropped(), 0);
}

#[tokio::test]
async fn a_retained_message_that_finds_no_room_is_counted_and_was_heard_by_nobody() {
    let sessions = Sessions::new();
    let heard = Arc::new(AtomicUsize::new(0));
    for number in 0..=TOPICS_MAX {
        let message = message(format!("devices/{number}"), vec![1], &sessions.held);
        let heard = Arc::clone(&heard);
        let answer = move |is_heard| {
            heard.fetch_add(usize::from(is_heard), Ordering::Relaxed);
        };
        sessions
            .publish(message, (1, true), Priority::Normal, Box::new(answer))
            .await;
    }

    assert_eq!(heard.load(Ordering::Relaxed), TOPICS_MAX);
    assert_eq!(sessions.dropped(), 1);
}
