//! Reads Kafka from a moment on: every partition of every topic that a route can name, without joining a group.
//!
//! Promises: every message in the log from that moment on is read, also on topics and partitions that are made later; offsets are
//! fixed when it starts, so that nothing slips between starting and reading; for as long as no broker answers, that is noted in the
//! recording. Deliberately commits no offsets and keeps no group.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use self::member::Member;
use super::sink::Sink;
use crate::reconcile::Error;
use crate::reconcile::recording::Recorded;
use boxbridge_config as config;
use boxbridge_event::Timestamp;

mod member;

/// For one question to a broker.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often new topics are looked for, and whether a broker is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A broker that takes longer to name its topics counts as away: well below the usual `--until-quiet`.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(100);

/// Looks up where to begin, and goes on reading until the sink's `stop`.
pub async fn listen(
    kafka: config::Kafka,
    since: Timestamp,
    sink: Sink,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let (bus, address) = (sink.bus.clone(), kafka.brokers.clone());
    let unheard = move |reason: String| Error::Listen {
        bus: bus.clone(),
        address: address.clone(),
        reason,
    };
    let member = Member::of(&kafka).await.map_err(&unheard)?;
    let failed = move |error: KafkaError| unheard(error.to_string());

    let begin = move || {
        let consumer: Consuming = settings(&kafka).create_with_context(member)?;
        // Where it is to show a token, it asks for it now: nothing is read yet.
        let _ = consumer.poll(POLL);
        let mut reader = Reader {
            consumer,
            known: HashSet::new(),
            since,
            sink,
            is_away: false,
        };
        reader.begin().map(|()| reader)
    };
    let begun = tokio::task::spawn_blocking(begin).await;
    let begun = begun.map_err(|error| Error::Listener(error.to_string()))?;
    let reader = begun.map_err(failed.clone())?;

    Ok(tokio::task::spawn_blocking(move || {
        reader.run().map_err(failed)
    }))
}

type Consuming = BaseConsumer<Member>;

struct Reader {
    consumer: Consuming,
    known: HashSet<(String, i32)>,
    since: Timestamp,
    sink: Sink,
    /// Noted as away.
    is_away: bool,
}

/// Where to begin with a partition that is new to us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    AtTime,
    /// It was made while we listened.
    AtFirst,
}

impl Reader {
    /// Finds where to begin. A topic that is just being made has no leader for a moment; a broker that is not there is told at once.
    fn begin(&mut self) -> Result<(), KafkaError> {
        let begun = Instant::now();
        loop {
            match self.look(Begin::AtTime) {
                Err(error) if is_settling(&error) && begun.elapsed() < ANSWER_WITHIN => {
                    std::thread::sleep(POLL)
                }
                found => return found,
            }
        }
    }

    fn run(mut self) -> Result<(), KafkaError> {
        let mut looked = Instant::now();
        while !self.sink.stop.is_cancelled() {
            if looked.elapsed() >= LOOK_EVERY {
                // A broker that is down comes back: outages are tested with this.
                let found = self.look(Begin::AtFirst);
                if let Err(error) = &found {
                    tracing::debug!(%error, "the topics cannot be listed now");
                }
                self.note_whether_away(found.is_err());
                looked = Instant::now();
            }

            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let (topic, payload) = (message.topic(), message.payload().unwrap_or_default());
                    self.sink
                        .put_blocking(self.sink.read(topic, payload, false));
                }
                Some(Err(error)) if is_final(&error) => {
                    self.sink.stop.cancel();
                    return Err(error);
                }
                Some(Err(error)) => tracing::debug!(%error, "the reader waits for its broker"),
                None => {}
            }
        }
        Ok(())
    }

    fn note_whether_away(&mut self, is_away: bool) {
        let bus = self.sink.bus.clone();
        match (std::mem::replace(&mut self.is_away, is_away), is_away) {
            (false, true) => self.sink.put_blocking(Recorded::Away(bus)),
            (true, false) => self.sink.put_blocking(Recorded::Back(bus)),
            (false, false) | (true, true) => {}
        }
    }

    /// Takes up every partition that is not read yet.
    fn look(&mut self, begin: Begin) -> Result<(), KafkaError> {
        let within = match begin {
            Begin::AtTime => ANSWER_WITHIN,
            Begin::AtFirst => LOOK_WITHIN,
        };
        let mut found = self.new_partitions(within)?;
        if found.count() == 0 {
            return Ok(());
        }

        let from = match begin {
            Begin::AtTime => self.at_time(&found)?,
            Begin::AtFirst => {
                found.set_all_offsets(Offset::Beginning)?;
                found.clone()
            }
        };
        self.consumer.incremental_assign(&from)?;

        let elements = found.elements();
        let taken = elements
            .iter()
            .map(|it| (it.topic().to_owned(), it.partition()));
        self.known.extend(taken);
        Ok(())
    }

    /// Those of our topics that are not read yet, each with the time to begin at.
    fn new_partitions(&self, within: Duration) -> Result<TopicPartitionList, KafkaError> {
        let metadata = self.consumer.fetch_metadata(None, within)?;
        let mut found = TopicPartitionList::new();

        let topics = metadata.topics().iter();
        for topic in topics.filter(|topic| self.sink.rules.is_kafka_topic(topic.name())) {
            for partition in topic.partitions() {
                let (name, number) = (topic.name(), partition.id());
                if !self.known.contains(&(name.to_owned(), number)) {
                    found.add_partition_offset(name, number, Offset::Offset(self.since.0))?;
                }
            }
        }
        Ok(found)
    }

    /// The first offset at or after the time; the end, where nothing is as young as that.
    fn at_time(&self, partitions: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        let consumer = &self.consumer;
        let elements = partitions.elements();

        // The ends before the times: what comes in between is then after the end, and read.
        let watermarks = elements.iter().map(|element| {
            consumer.fetch_watermarks(element.topic(), element.partition(), ANSWER_WITHIN)
        });
        let ends: Vec<i64> = watermarks
            .map(|watermarks| watermarks.map(|(_, end)| end))
            .collect::<Result<_, _>>()?;
        let times = consumer.offsets_for_times(partitions.clone(), ANSWER_WITHIN)?;

        let mut from = TopicPartitionList::new();
        for (element, end) in elements.iter().zip(ends) {
            let (topic, partition) = (element.topic(), element.partition());
            let found = times
                .find_partition(topic, partition)
                .map(|found| found.offset());
            let found = found.filter(|offset| matches!(offset, Offset::Offset(_)));
            from.add_partition_offset(topic, partition, found.unwrap_or(Offset::Offset(end)))?;
        }
        Ok(from)
    }
}

/// What does not pass by waiting: everything but the network and a broker that is away.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{Authentication, OffsetOutOfRange, TopicAuthorizationFailed};
    matches!(
        error.rdkafka_error_code(),
        Some(Authentication | TopicAuthorizationFailed | OffsetOutOfRange)
    )
}

/// A partition without a leader yet, or whose new one is not known everywhere.
fn is_settling(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopicOrPartition,
    };
    let settling = [
        LeaderNotAvailable,
        NotLeaderForPartition,
        UnknownPartition,
        UnknownTopicOrPartition,
    ];
    error
        .rdkafka_error_code()
        .is_some_and(|code| settling.contains(&code))
}

fn settings(kafka: &config::Kafka) -> ClientConfig {
    let security = match (kafka.encrypted, kafka.sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };

    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &kafka.brokers)
        .set("security.protocol", security)
        // A consumer must name a group, though this one never joins it.
        .set("group.id", "boxbridge-reconcile")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        // A broker that makes a reader wait as long as it may (librdkafka's mock) shall not make events look late.
        .set("fetch.wait.max.ms", "100")
        .set("fetch.message.max.bytes", "16777216")
        .set("queued.max.messages.kbytes", "65536");

    secure(&mut settings, kafka);
    settings
}

/// Who is believed, and who we are.
fn secure(settings: &mut ClientConfig, kafka: &config::Kafka) {
    let files = [
        ("ssl.ca.location", &kafka.tls.ca_file),
        ("ssl.certificate.location", &kafka.tls.cert_file),
        ("ssl.key.location", &kafka.tls.key_file),
    ];
    for (key, file) in files {
        if let Some(file) = file {
            settings.set(key, file.display().to_string());
        }
    }

    if let Some(sasl) = &kafka.sasl {
        settings.set("sasl.mechanism", &sasl.mechanism);
        // Else they are for who lends the token.
        if sasl.token.is_none() {
            settings.set("sasl.username", &sasl.username);
            settings.set("sasl.password", sasl.password.expose());
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::reconcile::Rules;
    use boxbridge_config::{Config, Layers};

    #[test]
    fn a_topic_that_is_still_without_a_leader_is_waited_for() {
        let topic = "boxbridge.events.vip";
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(topic, 1, 1).unwrap();
        cluster.partition_leader(topic, 0, None).unwrap();

        let flags = vec![("send.kafka.brokers".to_owned(), cluster.bootstrap_servers())];
        let layers = Layers {
            flags,
            ..Layers::default()
        };
        let config = Config::load(&layers).unwrap();

        let (lines, _taken) = mpsc::channel(1);
        let sink = Sink {
            lines,
            bus: "kafka".to_owned(),
            rules: Rules::of(&config).bus("kafka").cloned().unwrap(),
            stop: CancellationToken::new(),
        };

        let kafka = config.send.kafka().cloned().unwrap();
        let mut reader = Reader {
            consumer: settings(&kafka)
                .create_with_context(Member::default())
                .unwrap(),
            known: HashSet::new(),
            since: Timestamp::now(),
            sink,
            is_away: false,
        };
        let error = reader.look(Begin::AtTime).expect_err("no leader");
        assert!(is_settling(&error), "{error:?}");

        let begun = std::thread::spawn(move || reader.begin().map(|()| reader.known.len()));
        cluster.partition_leader(topic, 0, Some(1)).unwrap();
        assert_eq!(begun.join().unwrap(), Ok(1));
    }
}
