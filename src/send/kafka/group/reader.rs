//! The thread that reads for a member, commits, and leaves.
//!
//! Promises: while the brokers are not there it asks again; what is wrong is said once, and shown for as long as it lasts. A fault of ours, or one
//! that librdkafka does not get over, costs the consumer, and another takes up at the committed offsets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};

use super::headers::attributes;
use super::holdings::Coming;
use super::member::{Member, commit};
use super::{Inner, Judgement, Place, Read};
use crate::system::fault::in_one_go;
use boxbridge_event::Timestamp;

/// A stop waits for so long at most; records wake it at once.
const READ_FOR: Duration = Duration::from_millis(250);
/// What is answered between two commits is sent again by the next member after a crash. A commit costs a request of 100 bytes, and none where
/// nothing was answered.
const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// All of them, also where nothing was answered since: nobody tells us of a commit that came to nothing, as in the middle of a rebalance.
const COMMIT_ALL_EVERY: Duration = Duration::from_secs(5);
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
    committed_all: Instant,
    failed: Option<Instant>,
}

impl Reader {
    pub(super) fn new(inner: Arc<Inner>) -> Reader {
        Reader {
            inner,
            topics: HashMap::new(),
            committed: Instant::now(),
            committed_all: Instant::now(),
            failed: None,
        }
    }

    pub(super) fn run(mut self) {
        while !self.inner.has_begun.load(Ordering::Acquire) && !self.inner.is_over() {
            thread::park();
        }
        self.inner.trouble.lock().take();

        while !self.inner.is_over() {
            if let Err(error) = self.read() {
                self.fails(error);
                thread::sleep(PAUSE);
            }
        }
    }

    /// With one consumer: until the end, until there are other settings, or until it does not go on.
    fn read(&mut self) -> Result<(), String> {
        // Before: settings that change while it is made are not its own.
        self.inner.is_changed.store(false, Ordering::Release);
        let consumer = self.inner.consumer();
        let consumer = consumer.map_err(|error| format!("the consumer was not made: {error}"))?;
        let consumer = Arc::new(consumer);
        self.inner.flow.begin(Arc::clone(&consumer));

        let ended = self.read_beside_a_look(&consumer);

        if !self.inner.is_over() {
            consumer.context().part(&consumer);
        }
        // After a fault it may have left partitions behind.
        self.inner.flow.end();
        self.end(consumer);
        self.inner.holdings.lock().end_all();
        self.inner.lags.lock().clear();
        ended
    }

    /// Its end leaves the group, which takes minutes where brokers are gone without a word: a stop waits for it, its successor does not.
    fn end(&self, consumer: Arc<BaseConsumer<Member>>) {
        if self.inner.is_over() {
            return drop(consumer);
        }
        let named = thread::Builder::new().name("kafka-group-end".to_owned());
        // Where there is no thread it ends here.
        let _ = named.spawn(move || drop(consumer));
    }

    fn read_beside_a_look(&mut self, consumer: &BaseConsumer<Member>) -> Result<(), String> {
        let inner = Arc::clone(&self.inner);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let look = || inner.look_again_and_again(consumer, &is_over);
            let named = thread::Builder::new().name("kafka-lags".to_owned());
            let looking = named.spawn_scoped(scope, look);
            let looking = looking.map_err(|error| format!("no thread: {error}"))?;

            let ended = in_one_go(|| self.read_on(consumer));
            is_over.store(true, Ordering::Release);
            looking.thread().unpark();
            // A panic in there was logged by its thread.
            let _ = looking.join();
            ended.unwrap_or_else(|fault| Err(fault.to_string()))
        })
    }

    fn read_on(&mut self, consumer: &BaseConsumer<Member>) -> Result<(), String> {
        while !self.inner.is_over() && !self.inner.is_changed.load(Ordering::Acquire) {
            match consumer.poll(READ_FOR) {
                Some(Ok(message)) => self.take(consumer, &message),
                // librdkafka does nothing more with this consumer.
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(error.to_string());
                }
                Some(Err(error)) => self.fails(error.to_string()),
                None => {}
            }
            self.look_after(consumer);
        }
        Ok(())
    }

    fn take(&mut self, consumer: &BaseConsumer<Member>, message: &BorrowedMessage<'_>) {
        let place = (self.topic(message.topic()), message.partition());
        let offset = message.offset();
        let coming = self.inner.holdings.lock().coming(&place, offset);
        match coming {
            None | Some(Coming::Again) => return,
            Some(Coming::Anew) => self.begin_anew(&place, offset),
            Some(Coming::Next { expected }) if expected < offset => {
                self.note_lost(consumer, &place, (expected, offset));
            }
            Some(Coming::Next { .. }) => {}
        }

        let inner = Arc::clone(&self.inner);
        let is_pending = |number| inner.holdings.lock().is_pending(number);
        let read = Read {
            place: &place,
            offset,
            timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
            key: message.key().unwrap_or_default(),
            attributes: attributes(message),
            payload: message.payload(),
            is_pending: &is_pending,
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
                self.inner.flow.regulate(&self.inner.holdings);
            }
        }
    }

    /// librdkafka found the log to end before our offset, and reads it from its beginning.
    fn begin_anew(&self, place: &Place, offset: i64) {
        let (topic, partition) = place;
        tracing::error!(
            group = self.inner.membership.group,
            topic = &**topic,
            partition,
            offset,
            "kafka: the topic was cut off or made anew: it is read from its beginning, and some of it may go out again"
        );
        self.inner.holdings.lock().begin_anew(place);
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
            self.commit(consumer, now);
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

    fn commit(&mut self, consumer: &BaseConsumer<Member>, now: Instant) {
        let is_due = now >= self.committed_all + COMMIT_ALL_EVERY;
        if is_due {
            self.committed_all = now;
            self.inner.holdings.lock().doubt_committed();
        }

        let offsets = self.inner.holdings.lock().new_offsets();
        if let Err(error) = commit(consumer, &offsets, CommitMode::Async) {
            self.inner.holdings.lock().doubt_committed();
            self.fails(format!("offsets are not committed: {error}"));
        }
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
