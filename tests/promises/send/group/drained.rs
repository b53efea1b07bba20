//! A gateway of a group that is stopped: its queue is delivered, its partitions go to another at once, and nothing is lost.

use super::doors::{Doors, EMPLOYEE, PARTITIONS, VIP, all_of, post, wait_for_kafka};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

/// Of as many topics: each of two gateways has partitions of some of them.
const OF_THE_NORMAL_LANE: [u8; 4] = [EMPLOYEE, 2, 4, 9];

/// One that waits for Kafka as long as it has to.
fn start(doors: &Doors, kafka: &Broker, name: &str) -> Gateway {
    doors.start(&[
        ("GATEWAY", name),
        ("SEND__KAFKA__BROKERS", &kafka.address()),
        ("QUEUE__DRAIN_LIMIT", "10m"),
        ("SEND__STALL_TIMEOUT", "10m"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_broker_is_away_a_gateway_keeps_nothing_on_its_disk_that_waits_on_kafka() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("roomy"));
    let mut subscriber = doors.subscriber().await;
    let _gateway = tokio::task::block_in_place(|| {
        let mut gateway = doors.start_alone(&[("QUEUE__DRAIN_LIMIT", "10m")]);
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 0..50, 5);
        post(&gateway, VIP, 50..60, 5);
        wait_for_kafka(&gateway, 60);
        wait_until("its queue waits for Kafka alone", || {
            gateway.ledger("roomy").waiting == 0
        });
        assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
        let log = gateway.log();
        assert!(log.contains("everything that waited is delivered"), "{log}");

        gateway.restart();
        doors.mosquitto.run();
        gateway
    });
    all_of(&mut subscriber, 0..60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_a_backlog_for_kafka_and_records_held_out_of_it_empties_its_log_and_leaves_its_group_at_once()
 {
    let mut doors = tokio::task::block_in_place(|| Doors::new("drained"));
    let mut kafka = tokio::task::block_in_place(Broker::start);
    let (mut first, second) = tokio::task::block_in_place(|| {
        let first = start(&doors, &kafka, "first");
        doors.wait_for_partitions(&[&first], 6 * PARTITIONS);
        (first, start(&doors, &kafka, "second"))
    });
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&first, &second], 6 * PARTITIONS);
        // Whatever they read out of Kafka cannot go out.
        doors.mosquitto.freeze();
        for (turn, person_type) in OF_THE_NORMAL_LANE.into_iter().enumerate() {
            post(&first, person_type, turn * 50..(turn + 1) * 50, 40);
        }
        wait_for_kafka(&first, 200);
        let of_it = [("destination", "drained@kafka")];
        wait_until("it has read some of them", || {
            first.sum("boxbridge_queue_oldest_seconds", &of_it) > 0.0
        });
        // And whatever they write does not get there.
        kafka.pause();
        post(&first, EMPLOYEE, 200..300, 40);
        assert_eq!(first.ledger("kafka").waiting, 100);

        first.signal("TERM");
        wait_until("no box is let in", || {
            first.raw(b"GET /RealTimeEvent HTTP/1.0\r\n\r\n").is_none()
        });
        kafka.resume();
        assert_eq!(first.wait(), Some(0), "{}", first.log());
        // One that had not left would be missed after 6 s.
        for lane in ["urgent", "normal"] {
            let members = kafka.members(&format!("boxbridge-drained-{lane}"));
            assert_eq!(members, 1, "{lane}: {}", first.log());
        }
    });
    let log = first.log();
    for said in [
        "everything that waited is delivered",
        "what was read out of Kafka and has no answer yet is left to the other gateways",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }

    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&second], 6 * PARTITIONS);
        doors.mosquitto.thaw();
    });
    all_of(&mut subscriber, 0..300).await;
}
