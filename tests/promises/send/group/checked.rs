//! What a check says of a broker that gets its events out of Kafka.

use super::doors::Doors;
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;

fn check(gateway: &Gateway, more: &[&str]) -> (String, Option<i32>) {
    tokio::task::block_in_place(|| gateway.run(&[&["check", "--online"], more].concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_looks_up_the_topic_that_refused_events_go_to() {
    let doors = tokio::task::block_in_place(|| Doors::new("looked"));
    let kafka = tokio::task::block_in_place(Broker::start);
    let brokers = kafka.address();
    let settings = [("SEND__KAFKA__BROKERS", brokers.as_str())];
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&settings));

    let (found, code) = check(&gateway, &[]);
    assert!(found.contains(", 1 of them to be made"), "{found}");
    assert_eq!(code, Some(0), "{found}");
    let never = ["--set", "send.kafka.create_topics=never"];
    let (found, code) = check(&gateway, &never);
    let missing = "1 topic is missing: boxbridge.aside (make them, or let the gateway";
    assert!(found.contains(missing), "{found}");
    assert_eq!(code, Some(1), "{found}");
    let (found, _) = check(
        &gateway,
        &[&never[..], &["--set", "send.looked.from=queue"]].concat(),
    );
    assert!(!found.contains("boxbridge.aside"), "{found}");

    let small = ("max.message.bytes", "1000");
    kafka.make_topic("boxbridge.aside", 1, &[small]).await;
    let (found, _) = check(&gateway, &never);
    let small = "topic boxbridge.aside takes messages of 1000 B, one can have 16 KiB";
    assert!(found.contains(small), "{found}");
    let set = ("max.message.bytes", "2000000");
    kafka.set_topic("boxbridge.aside", set.0, set.1).await;
    let (found, code) = check(&gateway, &never);
    assert_eq!(code, Some(0), "{found}");
}
