//! A member of a group, on a cluster in memory that fails as it is told.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::super::Limits;
use super::super::tests::shared;
use super::holdings::tests::numbered;
use super::*;

/// It bounds what would hang; nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "mocked";
const GROUP: &str = "members";

type Cluster = MockCluster<'static, DefaultProducerContext>;

struct World {
    cluster: Cluster,
    group: Group,
}

fn kafka_of(cluster: &Cluster) -> Kafka {
    let limits = Limits {
        window_records: 100,
        window_bytes: 1 << 20,
        stall_timeout: PATIENCE,
    };
    Kafka {
        shared: Arc::new(shared(cluster.bootstrap_servers(), limits)),
    }
}

impl World {
    /// With one event.
    fn begin(judge: impl Judge) -> World {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let membership = Membership {
            group: GROUP.to_owned(),
            topics: vec![TopicNames(vec![TOPIC.to_owned()])],
            held: Held {
                records: 100,
                bytes: 1 << 20,
            },
        };

        let group = kafka_of(&cluster).join(membership, judge).unwrap();
        group.begin();
        let world = World { cluster, group };
        world.produce();
        world
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.cluster.bootstrap_servers());
        client
    }

    fn produce(&self) {
        let producer: BaseProducer = self.client().create().unwrap();
        let record = BaseRecord::<str, str>::to(TOPIC).payload("{}");
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }

    async fn next(&self) -> Record {
        let next = tokio::time::timeout(PATIENCE, self.group.next(&[]));
        next.await.expect("it is handed out")
    }

    fn committed(&self) -> Option<Offset> {
        let consumer: BaseConsumer = self.client().set("group.id", GROUP).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(TOPIC, 0);
        let committed = consumer.committed_offsets(list, PATIENCE).ok()?;
        committed.elements().first().map(|it| it.offset())
    }
}

/// Keeps everything, after so many faults.
struct Faulty(u32);

impl Judge for Faulty {
    fn judge(&mut self, _read: &Read<'_>, number: Sequence) -> Judgement {
        if self.0 > 0 {
            self.0 -= 1;
            panic!("a fault of the test");
        }
        Judgement::Keep(Box::new(numbered(number, PersonType::Vip)))
    }

    fn expired(&mut self, _records: u64) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_the_brokers_did_not_take_are_committed_though_nothing_more_comes() {
    let world = World::begin(Faulty(0));
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS; 3];
    world
        .cluster
        .request_errors(RDKafkaApiKey::OffsetCommit, &refused);

    let record = world.next().await;
    assert!(world.group.settle(record.sequence));
    let late = Instant::now() + PATIENCE;
    while world.committed() != Some(Offset::Offset(1)) {
        assert!(Instant::now() < late, "{:?}", world.committed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.group.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_while_a_record_is_judged_costs_the_consumer_and_the_record_comes_again() {
    let world = World::begin(Faulty(1));
    let record = world.next().await;
    assert!(
        record.sequence > Sequence(1),
        "that number was given before"
    );
    assert!(world.group.settle(record.sequence));
    assert!(world.group.trouble().is_some(), "people can see it");
    world.group.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_addresses_are_read_though_the_brokers_of_before_are_gone_without_a_word() {
    let before = World::begin(Faulty(0));
    let record = before.next().await;
    assert!(before.group.settle(record.sequence));

    // With an event that nobody has answered.
    let after = World::begin(Faulty(0));
    after.group.end();
    let silence = 2 * PATIENCE;
    before.cluster.broker_round_trip_time(1, silence).unwrap();
    before.group.adopt(&kafka_of(&after.cluster), Vec::new());

    let record = before.next().await;
    assert!(before.group.settle(record.sequence));
    before.group.end();
}
