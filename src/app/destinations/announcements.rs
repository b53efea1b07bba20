//! What is told of devices, to each bus: a task beside its delivery loops.
//!
//! Promises: it ends with the deliveries, and a fault ends none of them. Deliberately tells every bus: a device is no event, and has no route.

use std::sync::Arc;

use crate::app::tasks::Tasks;
use crate::route::device_status;
use crate::send::board::Board;
use crate::send::kafka::Kafka;
use crate::send::mqtt::Mqtt;

const NAME: &str = "devices";

pub(super) fn to_mqtt(mqtt: &Arc<Mqtt>, board: &Arc<Board>, tasks: &Tasks) {
    let (mqtt, board) = (Arc::clone(mqtt), Arc::clone(board));
    keep(tasks, move || {
        let (mqtt, reader) = (Arc::clone(&mqtt), board.reader());
        async move { mqtt.announce(reader, device_status::to_mqtt).await }
    });
}

pub(super) fn to_kafka(kafka: &Arc<Kafka>, board: &Arc<Board>, tasks: &Tasks) {
    let (kafka, board) = (Arc::clone(kafka), Arc::clone(board));
    keep(tasks, move || {
        let (kafka, reader) = (Arc::clone(&kafka), board.reader());
        let topic = device_status::KAFKA_TOPIC;
        async move {
            kafka.announce(reader, topic, device_status::to_kafka).await;
        }
    });
}

/// Runs it until the stop.
fn keep<F>(tasks: &Tasks, start: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let stop = tasks.stop.clone();
    tasks.keep(NAME, move || {
        let (stop, announcing) = (stop.clone(), start());
        async move {
            stop.run_until_cancelled(announcing)
                .await
                .unwrap_or_default()
        }
    });
}
