//! What is no event of ours, or comes twice, is counted and passed over; it stops nothing.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::doors::{Doors, EMPLOYEE, all_of, post};
use crate::parts::PATIENCE;
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

/// Puts these into a partition, behind each other.
fn produce(topic: &str, payloads: &[Option<&[u8]>]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", Broker::shared().address())
        .create()
        .unwrap();
    for payload in payloads {
        let record = BaseRecord::<str, [u8]>::to(topic).partition(0).key("odd");
        let record = match payload {
            Some(payload) => record.payload(payload),
            None => record,
        };
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_records_and_repeats_are_counted_and_passed_over() {
    let doors = tokio::task::block_in_place(|| Doors::new("odd"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;
    let passed = |why: &str| {
        let labels = [
            ("destination", "odd@kafka"),
            ("lane", "normal"),
            ("why", why),
        ];
        gateway.sum("boxbridge_send_passed_over_total", &labels)
    };

    tokio::task::block_in_place(|| post(&gateway, EMPLOYEE, 0..1, 1));
    all_of(&mut subscriber, 0..1).await;
    let known = Broker::shared().read("odd.employee", 1).await.remove(0);
    tokio::task::block_in_place(|| {
        let odd: &[Option<&[u8]>] = &[
            Some(b"no JSON"),
            Some(b"{\"schema\":\"somebody.else.v1\"}"),
            Some(b"{\"schema\":\"boxbridge.match.v1\"}"),
            Some(b""),
            None,
            Some(&[0xff, 0xfe]),
        ];
        produce("odd.employee", odd);
        produce("odd.employee", &[Some(&known.payload)]);
        wait_until("the foreign ones are counted", || passed("foreign") == 6.0);
        wait_until("the repeat is counted", || passed("repeated") == 1.0);
        // One in each partition: nothing stands behind what was passed over.
        post(&gateway, EMPLOYEE, 1..30, 29);
    });
    let first = all_of(&mut subscriber, 1..30).await;
    assert_eq!(first.len(), 29);
    assert!(subscriber.received().is_empty(), "no repeat was sent");
}
