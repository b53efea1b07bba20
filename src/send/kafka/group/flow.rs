//! Partitions that hold enough stand still, and go on once there is room.
//!
//! Promises: a decision on a partition is carried out before the next one is made, and before the partition goes. A pause that came last would
//! hold its partition for good, also when it comes back: librdkafka remembers it.

use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Place;
use super::holdings::{Holdings, Turned};
use super::member::Member;

/// A consumer whose partitions can stand still.
pub(super) trait Pausing {
    fn pause(&self, places: &[Place]);

    fn resume(&self, places: &[Place]);
}

/// One that is another member's by now is no loss.
impl Pausing for BaseConsumer<Member> {
    fn pause(&self, places: &[Place]) {
        let _ = Consumer::pause(self, &list(places));
    }

    fn resume(&self, places: &[Place]) {
        let _ = Consumer::resume(self, &list(places));
    }
}

/// The consumer of now.
pub(super) struct Flow<C>(Mutex<Option<Arc<C>>>);

impl<C> Default for Flow<C> {
    fn default() -> Flow<C> {
        Flow(Mutex::new(None))
    }
}

impl<C: Pausing> Flow<C> {
    pub fn begin(&self, consumer: Arc<C>) {
        *self.0.lock() = Some(consumer);
    }

    /// The consumer is the caller's alone again.
    pub fn end(&self) {
        self.0.lock().take();
    }

    /// Partitions that are full stand still, and those that have room again go on.
    pub fn regulate(&self, holdings: &Mutex<Holdings>) {
        let consumer = self.0.lock();
        let Some(consumer) = &*consumer else {
            return;
        };
        let Turned { filled, emptied } = holdings.lock().turn();

        if !filled.is_empty() {
            consumer.pause(&filled);
        }
        if !emptied.is_empty() {
            consumer.resume(&emptied);
        }
    }

    /// They are ours no more. Where the next member is to begin with each.
    pub fn let_go(&self, places: &[Place], holdings: &Mutex<Holdings>) -> Vec<(Place, i64)> {
        let consumer = self.0.lock();
        let mut holdings = holdings.lock();
        let offset = |place: &Place| Some((place.clone(), holdings.offset(place)?));
        let offsets = places.iter().filter_map(offset).collect();
        places.iter().for_each(|place| holdings.end(place));
        drop(holdings);

        // One that stood still would do so again when it comes back.
        consumer.iter().for_each(|it| it.resume(places));
        offsets
    }
}

fn list(places: &[Place]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for (topic, partition) in places {
        list.add_partition(topic, *partition);
    }
    list
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::super::holdings::Limits;
    use super::*;
    use crate::send::kafka::group::holdings::tests::keep;

    /// Its pause takes as long as the test wants.
    struct Slow {
        pausing: Sender<()>,
        go_on: Mutex<Receiver<()>>,
        done: Mutex<Vec<&'static str>>,
    }

    impl Pausing for Slow {
        fn pause(&self, _places: &[Place]) {
            self.pausing.send(()).unwrap();
            self.go_on.lock().recv().unwrap();
            self.done.lock().push("pause");
        }

        fn resume(&self, _places: &[Place]) {
            self.done.lock().push("resume");
        }
    }

    #[test]
    fn a_partition_that_goes_while_it_is_paused_does_not_stand_still_when_it_comes_back() {
        let place: Place = ("topic".into(), 0);
        let mut holdings = Holdings::new(Limits {
            records: 1,
            bytes: 1,
        });
        holdings.begin(place.clone(), None);
        keep(&mut holdings, 0, 0);
        let holdings = Mutex::new(holdings);

        let ((pausing, is_pausing), (go, go_on)) = (channel(), channel());
        let slow = Arc::new(Slow {
            pausing,
            go_on: Mutex::new(go_on),
            done: Mutex::default(),
        });
        let flow = Flow::default();
        flow.begin(Arc::clone(&slow));

        std::thread::scope(|scope| {
            scope.spawn(|| flow.regulate(&holdings));
            is_pausing.recv().unwrap();
            let (gone, is_gone) = channel();
            let (flow, holdings, place) = (&flow, &holdings, &place);
            scope.spawn(move || {
                flow.let_go(std::slice::from_ref(place), holdings);
                // By then nobody may listen.
                let _ = gone.send(());
            });
            // It waits for the pause: this is how long a wrong one has to show itself.
            let is_too_early = is_gone.recv_timeout(Duration::from_millis(200)).is_ok();
            go.send(()).unwrap();
            assert!(!is_too_early);
        });
        assert_eq!(*slow.done.lock(), ["pause", "resume"]);
    }
}
