//! Gateways come and go: their partitions move, nothing is lost, and each device's events of a type stay in order.

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, assert_in_order, post, wait_for_kafka};
use crate::parts::kafka::Broker;

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_a_topic_gets_while_gateways_run_are_read_from_their_beginning() {
    let doors = tokio::task::block_in_place(|| Doors::new("grows"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| post(&gateway, EMPLOYEE, 0..40, 40));
    Broker::shared()
        .grow_topic("grows.employee", 2 * PARTITIONS)
        .await;
    let posted = tokio::task::block_in_place(|| {
        let mut posted = 40;
        while doors.partitions(&gateway) < 7 * PARTITIONS {
            post(&gateway, EMPLOYEE, posted..posted + 40, 40);
            posted += 40;
        }
        posted
    });
    all_of(&mut subscriber, 0..posted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_leaves_its_partitions_to_another_and_nothing_is_lost() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("killed"));
    let (mut first, second) = tokio::task::block_in_place(|| {
        let first = doors.start_alone(&[("GATEWAY", "first")]);
        (first, doors.start(&[("GATEWAY", "second")]))
    });
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&first, &second], 6 * PARTITIONS);
        // Whatever they read cannot go out.
        doors.mosquitto.freeze();
        post(&first, EMPLOYEE, 0..200, 40);
        wait_for_kafka(&first, 200);
        first.kill();
        doors.mosquitto.thaw();
    });
    let received = all_of(&mut subscriber, 0..200).await;
    assert_in_order(&received);
    tokio::task::block_in_place(|| doors.wait_for_partitions(&[&second], 6 * PARTITIONS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_keeps_its_order_while_gateways_join_and_leave() {
    let doors = tokio::task::block_in_place(|| Doors::new("moves"));
    let first = tokio::task::block_in_place(|| doors.start_alone(&[("GATEWAY", "first")]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&first, EMPLOYEE, 0..100, 20);
        let mut second = doors.start(&[("GATEWAY", "second")]);
        post(&first, EMPLOYEE, 100..300, 20);
        doors.wait_for_partitions(&[&first, &second], 6 * PARTITIONS);
        post(&first, EMPLOYEE, 300..400, 20);
        assert_eq!(second.stop(), Some(0));
        post(&first, EMPLOYEE, 400..500, 20);
    });
    let received = all_of(&mut subscriber, 0..500).await;
    assert_in_order(&received);
    tokio::task::block_in_place(|| doors.wait_for_partitions(&[&first], 6 * PARTITIONS));
}

/// They stood still when they went, because they were full.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_come_back_are_read_on() {
    let few = [("SEND__WINDOW_RECORDS", "10")];
    let mut doors = tokio::task::block_in_place(|| Doors::new("back"));
    let first = tokio::task::block_in_place(|| doors.start_alone(&few));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.mosquitto.stop();
        post(&first, EMPLOYEE, 0..300, 60);
        wait_for_kafka(&first, 300);

        let mut second = doors.start(&[("GATEWAY", "second")]);
        doors.wait_for_partitions(&[&first, &second], 6 * PARTITIONS);
        assert_eq!(second.stop(), Some(0));
        doors.wait_for_partitions(&[&first], 6 * PARTITIONS);
        doors.mosquitto.run();
    });
    assert_in_order(&all_of(&mut subscriber, 0..300).await);
}
