//! What comes out of Kafka is live only while that is certain, and what Kafka deleted is counted.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, post};
use crate::parts::PATIENCE;
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_not_known_to_be_right_makes_everything_late_until_it_is() {
    let doors = tokio::task::block_in_place(|| Doors::new("clocks"));
    let kafka = tokio::task::block_in_place(Broker::start);
    // It does not tell the broker's time.
    kafka.make_topic("boxbridge.clock", 1, &[]).await;
    let brokers = kafka.address();
    let settings = [("SEND__KAFKA__BROKERS", brokers.as_str())];
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&settings));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&gateway, EMPLOYEE, 0..1, 1);
        wait_until("it says why", || {
            let reasons = gateway.ready()["reasons"].to_string();
            reasons.contains("set message.timestamp.type of topic boxbridge.clock to LogAppendTime")
        });
    });
    let late = all_of(&mut subscriber, 0..1).await.remove(0);
    assert_eq!(late.topic, "boxbridge/default/late/employee/gate-0");

    let set = ("message.timestamp.type", "LogAppendTime");
    kafka.set_topic("boxbridge.clock", set.0, set.1).await;
    tokio::task::block_in_place(|| {
        wait_until("the clocks agree", || {
            !gateway.ready()["reasons"]
                .to_string()
                .contains("boxbridge.clock")
        });
        post(&gateway, EMPLOYEE, 1..2, 1);
    });
    let live = all_of(&mut subscriber, 1..2).await.remove(0);
    assert_eq!(live.topic, "boxbridge/default/events/employee/gate-0");
}

/// As retention does it.
async fn delete_all(topic: &str) {
    let address = tokio::task::block_in_place(|| Broker::shared().address());
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", address)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::End)
            .unwrap();
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    admin.delete_records(&list, &options).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_took_before_it_was_read_is_counted_as_expired() {
    let doors = tokio::task::block_in_place(|| Doors::new("deleted"));
    let (mut reader, writer) = tokio::task::block_in_place(|| {
        let reader = doors.start_alone(&[("GATEWAY", "reader")]);
        // It brings events to Kafka, and reads none.
        let writer = doors.start_without_group(&[("GATEWAY", "writer")]);
        (reader, writer)
    });
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&writer, EMPLOYEE, 0..60, 30);
        wait_until("they have come", || {
            reader.ledger(&doors.out_of_kafka()).delivered == 60
        });
        assert_eq!(reader.stop(), Some(0));
        post(&writer, EMPLOYEE, 60..100, 30);
        wait_until("Kafka has them", || writer.ledger("kafka").delivered == 100);
    });
    delete_all("deleted.employee").await;

    tokio::task::block_in_place(|| {
        reader.restart();
        post(&writer, EMPLOYEE, 100..160, 30);
        wait_until("forty are gone", || {
            let of_us = [
                ("destination", "deleted@kafka"),
                ("rule", "kafka_retention"),
            ];
            reader.sum("boxbridge_send_expired_total", &of_us) == 40.0
        });
    });
    all_of(&mut subscriber, 100..160).await;
}
