//! A consumer group: this gateway is a member of it, and gets a share of its topics' partitions.
//!
//! Promises: every record of our partitions is judged once while we hold them, and one that is kept is handed out until it has an outcome; offsets
//! are committed up to the lowest record without one. Before another member gets a partition, nothing more of it goes out, and what is under way is
//! waited for, for a moment. An orderly end leaves the group at once. Deliberately does not know what the records mean: the judge does.
//!
//! `holdings` keeps the books, `member` is asked by librdkafka when partitions come and go, `reader` is the thread that reads, `flow` lets partitions
//! stand still, `lags` looks how far each has come, and `behind` asks that of groups that are not ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::BaseConsumer;
use tokio::sync::Notify;

use super::{Kafka, Shared};
use boxbridge_event::{PersonType, Record, Sequence, Timestamp};

mod behind;
mod clock;
mod flow;
mod headers;
mod holdings;
mod lags;
mod member;
mod reader;
mod start;
#[cfg(test)]
mod tests;
mod topic_names;

pub use behind::Behind;
pub use clock::{CLOCK_TOPIC, Clocks};
pub use holdings::{Limits as Held, Place};
pub use topic_names::TopicNames;

use flow::Flow;
use holdings::Holdings;
use member::Member;
use reader::Reader;

/// Which group, and what it reads.
#[derive(Clone, Debug)]
pub struct Membership {
    pub group: String,
    pub topics: Vec<TopicNames>,
    /// What is read and not yet answered, at most.
    pub held: Held,
}

/// A record as it was read.
pub struct Read<'a> {
    pub place: &'a Place,
    pub offset: i64,
    /// Of the topic: the producer's, or the broker's.
    pub timestamp: Timestamp,
    pub key: &'a [u8],
    /// Names without the prefix of their binding.
    pub attributes: Vec<(&'a str, &'a str)>,
    /// `None` where something is only forgotten.
    pub payload: Option<&'a [u8]>,
    /// Whether a record of this number has no outcome yet, and is read again by the gateway that gets its partition.
    pub is_pending: &'a dyn Fn(Sequence) -> bool,
}

/// Says what is to be done with a record.
pub trait Judge: Send + 'static {
    /// What is kept gets this number.
    fn judge(&mut self, read: &Read<'_>, number: Sequence) -> Judgement;

    /// So many records were deleted by the brokers before anybody read them.
    fn expired(&mut self, records: u64);
}

pub enum Judgement {
    Keep(Box<Record>),
    /// There is nothing to do for it.
    Pass,
}

/// One partition of ours, as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    pub place: Place,
    /// Offsets behind the lowest record without an outcome.
    pub records: u64,
}

/// A membership. Clones of its [`Arc`] are the same; [`Group::end`] ends it for all.
pub struct Group {
    inner: Arc<Inner>,
    /// Taken at the end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    membership: Membership,
    /// Those of the membership, and of reloads since.
    topics: Mutex<Vec<TopicNames>>,
    /// The cluster; other settings count from the next consumer on.
    cluster: Mutex<Arc<Shared>>,
    /// The cluster is another one than the consumer's.
    is_changed: AtomicBool,
    holdings: Mutex<Holdings>,
    /// There may be something to hand out.
    read: Notify,
    /// Something of what leaves has an outcome.
    settled: Condvar,
    judge: Mutex<Box<dyn Judge>>,
    flow: Flow<BaseConsumer<Member>>,
    lags: Mutex<Vec<Lag>>,
    /// What goes wrong now.
    trouble: Mutex<Option<String>>,
    /// It may read.
    has_begun: AtomicBool,
    is_over: AtomicBool,
}

impl Kafka {
    /// A member from [`Group::begin`] on until [`Group::end`]; brokers that are not there are asked again.
    pub fn join(&self, membership: Membership, judge: impl Judge) -> std::io::Result<Group> {
        let inner = Arc::new(Inner {
            holdings: Mutex::new(Holdings::new(membership.held)),
            topics: Mutex::new(membership.topics.clone()),
            membership,
            cluster: Mutex::new(Arc::clone(&self.shared)),
            is_changed: AtomicBool::new(false),
            read: Notify::new(),
            settled: Condvar::new(),
            judge: Mutex::new(Box::new(judge)),
            flow: Flow::default(),
            lags: Mutex::default(),
            trouble: Mutex::default(),
            has_begun: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        });

        let reader = Reader::new(Arc::clone(&inner));
        let thread = thread::Builder::new()
            .name("kafka-group".to_owned())
            .spawn(move || reader.run())?;
        Ok(Group {
            inner,
            thread: Mutex::new(Some(thread)),
        })
    }
}

/// For who delivers.
impl Group {
    /// The next record that is not of these types. Waits for one; cancel-safe.
    pub async fn next(&self, paused: &[PersonType]) -> Record {
        loop {
            let record = self.inner.holdings.lock().hand_out(paused);
            match record {
                Some(record) => return record,
                None => self.inner.read.notified().await,
            }
        }
    }

    /// Everything without an outcome is handed out again, from this number on.
    pub fn rewind(&self, from: Sequence) {
        self.inner.holdings.lock().rewind(from);
        self.inner.read.notify_one();
    }

    pub fn rewind_type(&self, person_type: PersonType) {
        self.inner.holdings.lock().rewind_type(person_type);
        self.inner.read.notify_one();
    }

    /// It has an outcome; true where it was known.
    pub fn settle(&self, sequence: Sequence) -> bool {
        let was_known = self.inner.holdings.lock().settle(sequence);
        self.inner.settled.notify_all();
        self.inner.flow.regulate(&self.inner.holdings);
        was_known
    }

    /// Whether it is still ours to send.
    pub fn is_wanted(&self, sequence: Sequence) -> bool {
        let is_wanted = self.inner.holdings.lock().is_wanted(sequence);
        if !is_wanted {
            self.inner.settled.notify_all();
        }
        is_wanted
    }

    /// Whether it is ours, and has no outcome.
    pub fn holds(&self, sequence: Sequence) -> bool {
        self.inner.holdings.lock().holds(sequence)
    }

    /// When the oldest was received that was read and has no outcome.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.inner.holdings.lock().oldest()
    }

    /// How many were read and have no outcome.
    pub fn held(&self) -> usize {
        self.inner.holdings.lock().count()
    }
}

/// For who starts and ends it, and who looks.
impl Group {
    /// Reads from now on.
    pub fn begin(&self) {
        self.inner.has_begun.store(true, Ordering::Release);
        if let Some(thread) = &*self.thread.lock() {
            thread.thread().unpark();
        }
    }

    /// It cannot begin, and why.
    pub fn cannot_begin(&self, why: String) {
        self.inner.trouble.lock().replace(why);
    }

    pub fn membership(&self) -> &Membership {
        &self.inner.membership
    }

    /// Reads these topics as well, and goes on with other settings of the same cluster. What stands in the topics before is still read.
    pub fn adopt(&self, kafka: &Kafka, mut topics: Vec<TopicNames>) {
        let mut read = self.inner.topics.lock();
        topics.retain(|names| !read.contains(names));
        read.append(&mut topics);
        drop(read);

        *self.inner.cluster.lock() = Arc::clone(&kafka.shared);
        self.inner.is_changed.store(true, Ordering::Release);
    }

    /// Commits and leaves. Blocks until the brokers know, or do not answer. The second call returns at once.
    pub fn end(&self) {
        self.inner.is_over.store(true, Ordering::Release);
        let thread = self.thread.lock().take();
        thread.iter().for_each(|it| it.thread().unpark());
        // A panic in there was logged by its thread.
        let _ = thread.map(JoinHandle::join);
    }

    /// What goes wrong now, for people.
    pub fn trouble(&self) -> Option<String> {
        self.inner.trouble.lock().clone()
    }

    /// Of each partition of ours, as of the last look.
    pub fn lags(&self) -> Vec<Lag> {
        self.inner.lags.lock().clone()
    }
}

impl Drop for Group {
    /// Its thread ends by itself.
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::Release);
    }
}

impl Inner {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}
