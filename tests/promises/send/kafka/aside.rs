//! What is set aside on Kafka lies there whole, with the reason, before it counts.

use boxbridge::send::kafka::{ASIDE_TOPIC, LeftAside, NotPut, Refused};
use boxbridge_event::{Lane, Message};

use super::drive::*;

fn left(message: Message) -> LeftAside {
    let refused = Refused {
        destination: "mqtt",
        lane: Lane::Urgent,
        reason: "too_large",
        detail: "the broker takes 10 bytes",
        attempts: 2,
        topic: Some("boxbridge/lobby/events/vip/gate"),
    };
    LeftAside {
        about: refused.about(),
        message,
    }
}

#[tokio::test]
async fn what_is_set_aside_keeps_its_payload_and_headers_and_says_why_and_where_it_was_refused() {
    let broker = shared().await;
    let aside = kafka(settings(broker.address()), &[]).aside_topic();
    let key = format!("lobby/{}", uuid::Uuid::new_v4());
    let messages: Vec<_> = [1, 2]
        .map(|number| message("of events", &key, number, 2_000))
        .into();
    for message in &messages {
        aside.put(&left(message.clone())).await.unwrap();
    }

    // Others' tests set aside as well.
    let of_us = key.clone();
    let both = move |received: &[crate::parts::kafka::Received]| {
        received.iter().filter(|it| it.key == of_us).count() == 2
    };
    let received = broker.read_until(ASIDE_TOPIC, "both messages", both).await;
    let mut ours: Vec<_> = received.into_iter().filter(|it| it.key == key).collect();
    ours.sort_by_key(number);
    for (received, message) in ours.iter().zip(&messages) {
        assert_eq!(received.payload, message.payload);
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("content-type", "application/json"),
            ("ce_subject", "小明"),
            ("boxbridge_destination", "mqtt"),
            ("boxbridge_lane", "urgent"),
            ("boxbridge_reason", "too_large"),
            ("boxbridge_detail", "the broker takes 10 bytes"),
            ("boxbridge_attempts", "2"),
            ("boxbridge_topic", "boxbridge/lobby/events/vip/gate"),
        ] {
            assert_eq!(received.headers.get(name).unwrap(), value, "{name}");
        }
    }
}

/// A message of the largest size still fits when the reason stands beside it.
#[tokio::test]
async fn the_largest_message_can_be_set_aside() {
    let broker = shared().await;
    let settings = settings(broker.address());
    let largest = settings.max_message_bytes - 300;
    let aside = kafka(settings, &[]).aside_topic();
    aside
        .put(&left(message("of events", "k", 1, largest)))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_no_broker_took_is_not_said_to_be_set_aside() {
    let nobody = format!("127.0.0.1:{}", crate::parts::child::free_port());
    let aside = kafka(settings(nobody.clone()), &[]).aside_topic();
    let error = aside
        .put(&left(message("of events", "k", 1, 100)))
        .await
        .unwrap_err();
    assert!(matches!(error, NotPut::NotNow(_)), "{error:?}");
    assert!(error.to_string().contains(&nobody), "{error}");
}

/// It costs none of the others their way.
#[tokio::test]
async fn a_message_that_is_too_large_is_told_from_a_topic_that_takes_nothing() {
    let broker = shared().await;
    let settings = settings(broker.address());
    let too_large = settings.max_message_bytes + (128 << 10);
    let aside = kafka(settings, &[]).aside_topic();
    let put = async |bytes| aside.put(&left(message("of events", "k", 1, bytes))).await;

    put(100).await.unwrap();
    let error = put(too_large).await.unwrap_err();
    assert!(matches!(error, NotPut::Message(_)), "{error:?}");
    put(100).await.unwrap();
}
