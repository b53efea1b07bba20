//! Tells Kafka of devices: the newest of each by its key, through a producer of its own.
//!
//! Promises: nothing here is in an event's way: a topic that is missing or refused costs this producer alone. Nothing is made before there is
//! something to tell; after a loss all is told again. The topic is made compacted, so it keeps one status a device. Deliberately best effort:
//! what the brokers refuse is said once and left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::batch::BATCH_BYTES;
use super::producer::Producer;
use super::record::record;
use super::report::Report;
use super::topics::{self, Keeps, Topic};
use super::{Kafka, Shared};
use crate::send::ConnectError;
use crate::send::board::{Reader, ToMessage};
use crate::system::fault::Fault;
use boxbridge_event::{Lane, Sequence, Timestamp};

/// Under way at once.
const WINDOW: usize = 100;
/// For one message: afterwards it is told again with all others, so it need not wait for ever.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// Before the first attempt again; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

impl Kafka {
    /// Tells all that the board says into `topic`, for as long as it is polled.
    pub async fn announce(&self, mut reader: Reader, topic: &'static str, to_message: ToMessage) {
        let (mut failures, mut is_said) = (0, false);
        loop {
            reader.wait().await;
            let began = Instant::now();
            let error = match Telling::start(&self.shared, topic).await {
                Ok(mut telling) => telling.run(&mut reader, to_message).await,
                Err(error) => error.message,
            };
            reader.begin_again();

            if !std::mem::replace(&mut is_said, true) {
                tracing::warn!(
                    topic,
                    error,
                    "kafka: devices are not told of; it is tried again, and this is said once"
                );
            }
            failures = if began.elapsed() > PAUSE_LAST {
                0
            } else {
                failures + 1
            };
            let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failures));
            tokio::time::sleep(pause.min(PAUSE_LAST)).await;
        }
    }
}

/// A producer that tells of devices.
struct Telling {
    /// Taken at the end.
    producer: Option<Producer>,
    reports: mpsc::Receiver<Report>,
    in_flight: usize,
}

impl Telling {
    async fn start(shared: &Arc<Shared>, topic: &str) -> Result<Telling, ConnectError> {
        let name = topic.to_owned();
        let (missing, keeps) = (shared.missing(), Keeps::Newest);
        let found = topics::look_up_for(shared, vec![name], missing, keeps).await?;
        if let Some(Topic::Refused { detail, .. }) = found.topics.get(topic) {
            let message = shared.of_brokers(detail);
            return Err(ConnectError { message });
        }

        // librdkafka reads certificates and starts its threads before it comes back.
        let making = Arc::clone(shared);
        let made = tokio::task::spawn_blocking(move || Telling::make(&making)).await;
        made.unwrap_or_else(|_| Err(format!("the producer was not made: {Fault}")))
            .map_err(|detail| ConnectError {
                message: shared.of_brokers(&detail),
            })
    }

    fn make(shared: &Shared) -> Result<Telling, String> {
        // As many as are under way, and one more, for `Report::Fatal`.
        let (sender, reports) = mpsc::channel(WINDOW + 1);
        let mut settings = shared.producer(Lane::Normal, BATCH_BYTES);
        settings.set("client.id", "boxbridge-devices").set(
            "message.timeout.ms",
            MESSAGE_TIMEOUT.as_millis().to_string(),
        );
        let producer = Producer::start(&settings, shared.listener(Some(sender)))?;

        Ok(Telling {
            producer: Some(producer),
            reports,
            in_flight: 0,
        })
    }

    /// Returns why it ended.
    async fn run(&mut self, reader: &mut Reader, to_message: ToMessage) -> String {
        loop {
            while self.in_flight < WINDOW
                && let Some(status) = reader.read()
            {
                let message = to_message(&status, Timestamp::now());
                if let Some(producer) = &self.producer
                    && let Err((error, _)) = producer.send(record(Sequence(0), &message))
                {
                    return error.to_string();
                }
                self.in_flight += 1;
            }

            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(Report::Delivered(_)) => self.in_flight -= 1,
                    Some(Report::Failed { code, .. }) => return code.to_string(),
                    Some(Report::Fatal(reason)) => return reason,
                    None => return "the producer is gone".to_owned(),
                },
                () = reader.wait(), if self.in_flight < WINDOW => {}
            }
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        Producer::end(self.producer.take());
    }
}
