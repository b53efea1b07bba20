//! The thread that reads for a member, and does all that may block: commits, looks at how far it is behind, and leaves.
//!
//! Promises: while the brokers are not there it asks again; what is wrong is said once, and shown for as long as it lasts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::member::{Member, commit};
use super::{Inner, Judgement, Lag, Place, Read};
use crate::send::kafka::record::attribute_name;
use boxbridge_event::Timestamp;

/// A stop waits for so long at most; records wake it at once.
const READ_FOR: Duration = Duration::from_millis(250);
/// What is answered between two commits is sent again by the next member after a crash.
const COMMIT_EVERY: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// One question to the brokers, while reading stands still.
const ASK_FOR: Duration = Duration::from_secs(1);
/// Before a consumer is made again.
const PAUSE: Duration = Duration::from_secs(1);
/// So long without an error, and the last one is over.
const WELL_AFTER: Duration = Duration::from_secs(10);

pub(super) struct Reader {
    inner: Arc<Inner>,
    /// One name for all records of a topic.
    topics: HashMap<String, Arc<str>>,
    committed: Instant,
    looked: Instant,
    failed: Option<Instant>,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>) -> Reader {
        let now = Instant::now();
        Reader {
            inner,
            topics: HashMap::new(),
            committed: now,
            looked: now,
            failed: None,
        }
    }

    pub(super) fn run(mut self) {
        while !self.inner.has_begun.load(Ordering::Acquire) && !self.inner.is_over() {
            std::thread::park();
        }
        self.inner.trouble.lock().take();

        while !self.inner.is_over() {
            match self.inner.consumer() {
                Ok(consumer) => self.read(consumer),
                Err(error) => {
                    self.fails(format!("the consumer was not made: {error}"));
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Until the end, or until there are other settings.
    fn read(&mut self, consumer: BaseConsumer<Member>) {
        let consumer = Arc::new(consumer);
        *self.inner.consumer.lock() = Some(Arc::clone(&consumer));
        self.inner.is_changed.store(false, Ordering::Release);

        while !self.inner.is_over() && !self.inner.is_changed.load(Ordering::Acquire) {
            match consumer.poll(READ_FOR) {
                Some(Ok(message)) => self.take(&consumer, &message),
                Some(Err(error)) => self.fails(error.to_string()),
                None => {}
            }
            self.look_after(&consumer);
        }

        // Its end leaves the group, and commits before.
        self.inner.consumer.lock().take();
        drop(consumer);
        self.inner.lags.lock().clear();
    }

    fn take(&mut self, consumer: &BaseConsumer<Member>, message: &BorrowedMessage<'_>) {
        let place = (self.topic(message.topic()), message.partition());
        let offset = message.offset();
        let Some((expected, found)) = self.inner.holdings.lock().is_news(&place, offset) else {
            return;
        };
        if expected < found {
            self.note_lost(consumer, &place, (expected, found));
        }

        let read = Read {
            place: &place,
            offset,
            timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
            key: message.key().unwrap_or_default(),
            attributes: attributes(message),
            payload: message.payload(),
        };
        let number = self.inner.holdings.lock().next_number();
        // Nobody else gives numbers.
        let judgement = self.inner.judge.lock().judge(&read, number);

        let mut holdings = self.inner.holdings.lock();
        match judgement {
            Judgement::Pass => holdings.pass(&place, offset),
            Judgement::Keep(record) => {
                holdings.keep(&place, offset, *record);
                drop(holdings);
                self.inner.read.notify_one();
                self.inner.regulate();
            }
        }
    }

    /// Offsets that never came: deleted by the brokers, or never of a record.
    fn note_lost(
        &self,
        consumer: &BaseConsumer<Member>,
        (topic, partition): &Place,
        (expected, found): (i64, i64),
    ) {
        let marks = consumer.fetch_watermarks(topic, *partition, ASK_FOR);
        let lowest = marks.map_or(expected, |(lowest, _)| lowest.min(found));
        let lost = u64::try_from(lowest.saturating_sub(expected)).unwrap_or(0);
        if lost > 0 {
            tracing::error!(
                group = self.inner.membership.group,
                topic = &**topic,
                partition,
                records = lost,
                "kafka: retention deleted records before they were read"
            );
            self.inner.judge.lock().expired(lost);
        }
    }

    fn topic(&mut self, name: &str) -> Arc<str> {
        if let Some(topic) = self.topics.get(name) {
            return Arc::clone(topic);
        }
        let topic: Arc<str> = name.into();
        self.topics.insert(name.to_owned(), Arc::clone(&topic));
        topic
    }

    /// What is to be done from time to time.
    fn look_after(&mut self, consumer: &BaseConsumer<Member>) {
        let now = Instant::now();
        if now >= self.committed + COMMIT_EVERY {
            self.committed = now;
            self.commit(consumer);
        }
        if now >= self.looked + LOOK_EVERY {
            self.looked = now;
            self.look(consumer);
        }

        if self.failed.is_some_and(|failed| now >= failed + WELL_AFTER) {
            self.failed = None;
            self.inner.trouble.lock().take();
            tracing::info!(
                group = self.inner.membership.group,
                "kafka: the group is well again"
            );
        }
    }

    fn commit(&mut self, consumer: &BaseConsumer<Member>) {
        let offsets = self.inner.holdings.lock().new_offsets();
        if let Err(error) = commit(consumer, &offsets, CommitMode::Async) {
            self.inner.holdings.lock().not_committed(&offsets);
            self.fails(format!("offsets are not committed: {error}"));
        }
    }

    /// How far each partition of ours has come, by the brokers' own offsets.
    fn look(&self, consumer: &BaseConsumer<Member>) {
        let places: Vec<_> = self.inner.holdings.lock().places().cloned().collect();
        let mut ends = TopicPartitionList::with_capacity(places.len());
        for (topic, partition) in &places {
            let _ = ends.add_partition_offset(topic, *partition, Offset::End);
        }
        if places.is_empty() {
            return self.inner.lags.lock().clear();
        }
        // Those of the last look stay.
        let Ok(ends) = consumer.offsets_for_times(ends, ASK_FOR) else {
            return;
        };
        let ends = ends.to_topic_map();

        let holdings = self.inner.holdings.lock();
        let lag = |place: Place| {
            let Some(Offset::Offset(end)) = ends.get(&(place.0.to_string(), place.1)) else {
                return None;
            };
            let at = holdings.offset(&place).unwrap_or(*end);
            let records = u64::try_from(end - at).unwrap_or(0);
            Some(Lag { place, records })
        };
        let lags = places.into_iter().filter_map(lag).collect();
        drop(holdings);
        *self.inner.lags.lock() = lags;
    }

    /// Said once for as long as it lasts.
    fn fails(&mut self, error: String) {
        self.failed = Some(Instant::now());
        let group = &*self.inner.membership.group;
        let said = self
            .inner
            .cluster
            .lock()
            .of_brokers(&format!("group {group}: {error}"));
        let before = self.inner.trouble.lock().replace(said);
        if before.is_none() {
            tracing::warn!(group, error, "kafka: the group is not well");
        }
    }
}

fn attributes<'m>(message: &'m BorrowedMessage<'_>) -> Vec<(&'m str, &'m str)> {
    let Some(headers) = message.headers() else {
        return Vec::new();
    };
    let attribute = |header: rdkafka::message::Header<'m, &'m [u8]>| {
        let value = std::str::from_utf8(header.value?).ok()?;
        Some((attribute_name(header.key)?, value))
    };
    headers.iter().filter_map(attribute).collect()
}
