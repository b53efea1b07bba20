//! What a check and a start say of a broker's events on Kafka: where refused ones go, and which ones nobody delivers any more.

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, post, wait_for_kafka};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_the_groups_left_on_kafka_is_said_while_the_queue_delivers_until_kafka_did() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("returning"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let say = |from: &str| {
        let text = format!(
            "[send.returning]\nkind = \"mqtt\"\nfrom = \"{from}\"\n[route.default]\nkafka_topic = \"returning.{{person_type}}\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    say("kafka");
    let path = file.display().to_string();
    let mut gateway = tokio::task::block_in_place(|| doors.start_by_file(&path));
    let left = "at most 50 events on kafka have not reached returning";

    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 0..50, 5);
        wait_for_kafka(&gateway, 50);
        assert_eq!(gateway.stop(), Some(0));
        doors.mosquitto.run();
    });

    // Before the start by which the queue takes over, and at it.
    say("queue");
    let (found, code) = check(&gateway, &[]);
    assert!(found.contains(&format!("; warning: {left}")), "{found}");
    assert_eq!(code, Some(0), "{found}");
    let mut subscriber = doors.subscriber().await;
    let said = |gateway: &Gateway| gateway.log().matches(left).count();
    tokio::task::block_in_place(|| {
        gateway.restart();
        wait_until("what is left is said", || said(&gateway) == 1);
        post(&gateway, EMPLOYEE, 50..60, 5);
    });
    all_of(&mut subscriber, 50..60).await;

    // What came since does not count, though the groups have not had it.
    tokio::task::block_in_place(|| {
        wait_until("Kafka has them as well", || {
            gateway.ledger("kafka").waiting == 0
        });
        assert_eq!(gateway.stop(), Some(0));
        gateway.restart();
        wait_until("it is said again", || said(&gateway) == 2);
        assert_eq!(gateway.stop(), Some(0));

        say("kafka");
        gateway.restart();
    });
    all_of(&mut subscriber, 0..50).await;
    tokio::task::block_in_place(|| {
        gateway.wait_delivered();
        assert_eq!(gateway.stop(), Some(0));
    });
    say("queue");
    let (found, code) = check(&gateway, &[]);
    assert!(!found.contains("have not reached"), "{found}");
    assert_eq!(code, Some(0), "{found}");
}
