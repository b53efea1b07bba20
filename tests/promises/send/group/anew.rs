//! A topic that ends before what was read of it is read from its beginning: it was made anew, or restored from a backup.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, post};
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

/// Further than anybody wrote.
fn commit_beyond_the_end(group: &str, topic: &str) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", Broker::shared().address())
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::Offset(1_000))
            .unwrap();
    }
    consumer.commit(&list, CommitMode::Sync).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_behind_an_offset_that_a_restored_topic_does_not_reach_are_delivered() {
    let doors = tokio::task::block_in_place(|| Doors::new("restored"));
    let mut gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| post(&gateway, EMPLOYEE, 0..20, 10));
    all_of(&mut subscriber, 0..20).await;
    tokio::task::block_in_place(|| {
        assert_eq!(gateway.stop(), Some(0));
        commit_beyond_the_end("boxbridge-restored-normal", "restored.employee");
        gateway.restart();
        post(&gateway, EMPLOYEE, 20..40, 10);
    });
    all_of(&mut subscriber, 20..40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_a_topic_that_was_made_anew_are_delivered() {
    let doors = tokio::task::block_in_place(|| Doors::new("again"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&gateway, EMPLOYEE, 0..200, 40);
        wait_until("they are through", || {
            gateway.ledger(&doors.out_of_kafka()).delivered == 200
        });
    });
    Broker::shared().delete_topic("again.employee").await;
    let partitions = PARTITIONS as i32;
    Broker::shared()
        .make_topic("again.employee", partitions, &[])
        .await;

    tokio::task::block_in_place(|| post(&gateway, EMPLOYEE, 200..240, 40));
    all_of(&mut subscriber, 200..240).await;
}
