//! What consumer groups of before have left on Kafka, where a broker gets its events from the queue again: nobody else delivers it.
//!
//! Promises: it is said once, with its count and what to do; nothing waits for it, and a group that never was is not spoken of. Deliberately says
//! nothing while other gateways are members: they deliver it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::note::Note;
use super::{group, kafka};
use crate::app::destinations::deliveries::Deliveries;
use crate::route::kafka_topics_of;
use crate::send::kafka::Kafka;
use crate::send::kafka::group::{Behind, TopicNames};
use crate::system::disk::Disk;
use boxbridge_config::{Config, Destination, Kind};
use boxbridge_event::{Lane, Timestamp};

/// A change of all gateways, one after the other, is over after so many looks: an hour.
const LOOKS: usize = 60;
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The groups that a broker once had on one cluster, or may have had.
struct Former {
    destination: Arc<str>,
    cluster: Arc<str>,
    kafka: Kafka,
    topics: Vec<TopicNames>,
}

/// Events that stand on Kafka and do not reach the broker.
pub struct LeftBehind {
    destination: Arc<str>,
    cluster: Arc<str>,
    records: u64,
}

/// As of now, with members or without: for a check of settings. Brokers that do not answer are found by their own check.
pub async fn left_behind(config: &Config, settings: &Destination) -> Vec<LeftBehind> {
    let since = Note::of(&Disk::default(), &config.data_dir, &settings.name).back();
    let mut left = Vec::new();
    for former in Former::all(config, settings) {
        let behind = former.behind(since).await;
        left.extend(behind.ok().flatten().and_then(|behind| former.left(behind)));
    }
    left
}

impl Deliveries<'_> {
    /// Looks, beside everything else, whether something was left on Kafka.
    pub(in crate::app::destinations) fn look_back(&self, settings: &Destination) {
        for former in Former::all(self.config, settings) {
            let note = Note::of(&self.data.disk, &self.config.data_dir, &settings.name);
            let looking = Arc::new((former, note));
            self.tasks.keep_on("kafka groups of before", move || {
                let looking = Arc::clone(&looking);
                async move { looking.0.say(&looking.1).await }
            });
        }
    }
}

impl Former {
    fn all(config: &Config, settings: &Destination) -> Vec<Former> {
        let is_fed_by_queue = matches!(settings.kind, Kind::Mqtt(_)) && settings.source().is_none();
        let clusters = config.send.destinations.iter().filter(|_| is_fed_by_queue);
        let former = clusters.filter_map(|cluster| match &cluster.kind {
            Kind::Kafka(of_kafka) => Some(Former {
                destination: Arc::clone(&settings.name),
                cluster: Arc::clone(&cluster.name),
                kafka: kafka(config, cluster, of_kafka),
                topics: topics(cluster),
            }),
            Kind::Store(_) | Kind::Mqtt(_) => None,
        });
        former.collect()
    }

    async fn say(&self, note: &Note) {
        note.taken_back();
        for _ in 0..LOOKS {
            let behind = self.behind(note.back()).await;
            match behind {
                Ok(None) => return,
                Ok(Some(behind)) if !behind.has_members => {
                    if let Some(left) = self.left(behind) {
                        tracing::warn!("{left}");
                    }
                    return;
                }
                Ok(Some(_)) => {}
                Err(error) => {
                    tracing::debug!(error, "consumer groups of before cannot be asked for now");
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn behind(&self, until: Option<Timestamp>) -> Result<Option<Behind>, String> {
        let groups = Lane::ALL.iter().map(|lane| group(&self.destination, *lane));
        let topics = self.topics.clone();
        self.kafka.behind(groups.collect(), topics, until).await
    }

    fn left(&self, behind: Behind) -> Option<LeftBehind> {
        (behind.records > 0).then(|| LeftBehind {
            destination: Arc::clone(&self.destination),
            cluster: Arc::clone(&self.cluster),
            records: behind.records,
        })
    }
}

fn topics(cluster: &Destination) -> Vec<TopicNames> {
    let topics = kafka_topics_of(&cluster.routes, |_| true).into_iter();
    topics.map(TopicNames).collect()
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftBehind {
            destination,
            cluster,
            records,
        } = self;
        let [urgent, normal] = [Lane::Urgent, Lane::Normal].map(|lane| group(destination, lane));
        write!(
            text,
            "at most {records} events on {cluster} have not reached {destination}, and with from = \"queue\" nobody sends them: \
             set send.{destination}.from = \"{cluster}\" until none waits, or send that time again with boxbridge queue replay and delete \
             the groups {urgent} and {normal}"
        )
    }
}
