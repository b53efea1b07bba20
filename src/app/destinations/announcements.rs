//! What is told of devices, to each bus: a task beside its delivery loops.
//!
//! Promises: it ends with the deliveries, a fault ends none of them, and other settings of the bus hold from the next word on. Deliberately
//! tells every bus: a device is no event, and has no route.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use crate::app::tasks::Tasks;
use crate::route::device_status;
use crate::send::board::{Board, Reader};
use crate::send::kafka::Kafka;
use crate::send::mqtt::Mqtt;
use boxbridge_event::Message;

const NAME: &str = "devices";

/// Takes the bus that is told from now on.
pub(super) type Announced<D> = watch::Sender<Arc<D>>;

/// A broker, and what each connection to it begins with.
pub(super) struct Introduced {
    pub mqtt: Arc<Mqtt>,
    pub first: Vec<Message>,
}

pub(super) fn to_mqtt(
    told: &Arc<Introduced>,
    board: &Arc<Board>,
    tasks: &Tasks,
) -> Announced<Introduced> {
    announce(told, board, tasks, |told, reader| async move {
        let (first, to_message) = (&told.first, device_status::to_mqtt);
        told.mqtt.announce(first, reader, to_message).await;
    })
}

pub(super) fn to_kafka(kafka: &Arc<Kafka>, board: &Arc<Board>, tasks: &Tasks) -> Announced<Kafka> {
    announce(kafka, board, tasks, |kafka, reader| async move {
        let topic = device_status::KAFKA_TOPIC;
        kafka.announce(reader, topic, device_status::to_kafka).await;
    })
}

/// Tells the bus, and each that takes its place, until the stop.
fn announce<D, F>(
    bus: &Arc<D>,
    board: &Arc<Board>,
    tasks: &Tasks,
    tell: impl Fn(Arc<D>, Reader) -> F + Clone + Send + Sync + 'static,
) -> Announced<D>
where
    D: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (announced, buses) = watch::channel(Arc::clone(bus));
    let board = Arc::clone(board);

    tasks.keep_on(NAME, move || {
        let (board, buses, tell) = (Arc::clone(&board), buses.clone(), tell.clone());
        async move { each_in_turn(buses, |bus| tell(bus, board.reader())).await }
    });
    announced
}

pub(super) async fn each_in_turn<D, F>(
    mut buses: watch::Receiver<Arc<D>>,
    tell: impl Fn(Arc<D>) -> F,
) where
    F: Future<Output = ()>,
{
    loop {
        let bus = Arc::clone(&buses.borrow_and_update());
        let until_another = async {
            if buses.changed().await.is_err() {
                pending().await
            }
        };

        tokio::select! {
            () = async { tell(bus).await; pending().await } => {}
            () = until_another => {}
        }
    }
}
