//! From the queue to Kafka: what waits in the queue is delivered out of it, what comes later out of Kafka, and nothing falls between.

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, numbered, post};
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_the_queue_is_delivered_first_and_once_and_then_kafka_is_read_from_there_on() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("moving"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let say = |from: &str| {
        let text = format!(
            "[send.moving]\nkind = \"mqtt\"\nfrom = \"{from}\"\n[route.default]\nkafka_topic = \"moving.{{person_type}}\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    say("queue");
    let path = file.display().to_string();
    let mut gateway = tokio::task::block_in_place(|| doors.start_by_file(&path));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&gateway, EMPLOYEE, 0..10, 5);
        wait_until("they went out of the queue", || {
            gateway.ledger("moving").delivered == 10
        });
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 10..60, 5);
        wait_until("Kafka has all of them", || {
            gateway.ledger("kafka").delivered == 60
        });
        assert_eq!(gateway.stop(), Some(0));

        say("kafka");
        gateway.restart();
        doors.wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        post(&gateway, EMPLOYEE, 60..90, 5);
        doors.mosquitto.run();
    });

    all_of(&mut subscriber, 0..90).await;
    tokio::task::block_in_place(|| {
        wait_until("thirty came out of Kafka", || {
            let ledger = gateway.ledger(&doors.out_of_kafka());
            ledger.delivered == 30 && ledger.waiting == 0
        });
        gateway.wait_delivered();
    });
    let twice: Vec<_> = subscriber.received().iter().map(numbered).collect();
    assert!(twice.is_empty(), "{twice:?}");

    // What the gateway knows of it outlives a crash.
    tokio::task::block_in_place(|| {
        gateway.kill_and_restart();
        doors.wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        post(&gateway, EMPLOYEE, 90..100, 5);
    });
    all_of(&mut subscriber, 90..100).await;
}
