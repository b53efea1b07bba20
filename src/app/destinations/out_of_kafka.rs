//! A broker whose events come out of Kafka: a consumer group for each lane beside the destination's own loops.
//!
//! Promises: the groups begin before the queue's own cursor ends, so nothing falls between the two; where that was is kept in `data_dir`. Brokers
//! that are not there are asked again, and until then the queue delivers. The groups are left once their delivery has ended. Deliberately
//! changes no delivery: it only has another source.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::deliveries::{Common, Deliveries};
use super::kafka;
use super::told::{Tell, Told, keep_delivering, tell};
use crate::gateway::{
    AsidePlace, Consumed, Counted, Delivery, Handover, Intake, Onward, OutOfKafka,
};
use crate::queue::Queue;
use crate::route::Router;
use crate::send::contact::Contact;
use crate::send::kafka::group::{
    Begun, COMPARE_EVERY, Clocks, Group, Held, Membership, TopicNames,
};
use crate::send::kafka::{AsideTopic, Kafka};
use crate::send::mqtt::{self, Mqtt};
use crate::send::{ConnectError, Destination};
use crate::system::disk::Disk;
use boxbridge_config::{Current, Kind};
use boxbridge_event::{ByLane, Lane, Message, Sequence};

/// Before the brokers are asked again where a group stands.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Before clocks that do not agree are compared again.
const COMPARE_AGAIN: Duration = Duration::from_secs(5);

type Groups = Arc<ByLane<Arc<Group>>>;

/// What others hold of it: who looks, and a reload.
pub(super) struct FromKafka {
    pub contact: Arc<Contact>,
    pub consumed: Arc<Consumed>,
    pub handover: Arc<Handover>,
    tell: Tell<Broker, Onward>,
    router: Arc<Current<Router>>,
    clocks: Arc<Clocks>,
}

/// The broker, and the groups whose records it gets.
pub(super) struct Broker {
    mqtt: Mqtt,
    groups: Groups,
    clocks: Arc<Clocks>,
}

impl Destination for Broker {
    type Message = Message;
    type Session = mqtt::Session;

    async fn connect(&self, lane: Lane) -> Result<mqtt::Session, ConnectError> {
        self.mqtt.connect(lane).await
    }

    fn trouble(&self) -> Option<String> {
        let groups = self.groups.iter();
        let of_groups = groups.filter_map(|(_, group)| group.trouble()).next();
        of_groups.or_else(|| self.clocks.trouble())
    }
}

impl Deliveries<'_> {
    /// `None` where the destination gets its events from the queue, or where its groups have no threads.
    pub(super) fn out_of_kafka(
        &self,
        settings: &boxbridge_config::Destination,
        mqtt: &Mqtt,
        common: &Common<'_>,
    ) -> Option<FromKafka> {
        let source = self.source(settings)?;
        let Kind::Kafka(of_kafka) = &source.kind else {
            return None;
        };
        let kafka = kafka(self.config, of_kafka, &source.routes);

        // What delivers out of the queue has the destination's own name.
        let name: Arc<str> = format!("{}@{}", settings.name, source.name).into();
        let counted = Arc::new(Counted::of(Arc::clone(&name)));
        let router = Arc::new(Current::new(self.router(settings)));
        let shared = (&router, &counted);
        let groups = match self.groups((settings, source), &kafka, shared) {
            Ok(groups) => Arc::new(groups),
            Err(error) => {
                tracing::error!(destination.name = &*name, %error, "no threads for its consumer groups: it gets its events from the queue");
                return None;
            }
        };

        let contact = Arc::new(Contact::new(name, boxbridge_config::MQTT));
        let consumed = Arc::new(Consumed { counted, groups });
        let aside = Arc::new(kafka.aside_topic());
        let clocks = Arc::new(Clocks::default());
        let handover = self.begin(settings, kafka, (&consumed, &clocks));
        let shared = (&contact, &consumed, &aside, &clocks);
        let tell = self.deliver_out_of_kafka(settings, mqtt, shared, common);
        Some(FromKafka {
            contact,
            consumed,
            handover,
            tell,
            router,
            clocks,
        })
    }

    /// Its memberships. Nothing is read before they begin.
    fn groups(
        &self,
        (settings, source): (
            &boxbridge_config::Destination,
            &boxbridge_config::Destination,
        ),
        kafka: &Kafka,
        (router, counted): (&Arc<Current<Router>>, &Arc<Counted>),
    ) -> io::Result<ByLane<Arc<Group>>> {
        let join = |lane| {
            let dedupe_window = self.config.normalize.dedupe_window;
            let intake = Intake::new(lane, Arc::clone(router), dedupe_window, Arc::clone(counted));
            kafka.join(self.membership(settings, source, lane), intake)
        };
        let (urgent, normal) = (join(Lane::Urgent)?, join(Lane::Normal)?);
        let (urgent, normal) = (Arc::new(urgent), Arc::new(normal));
        Ok(ByLane::new(|lane| match lane {
            Lane::Urgent => Arc::clone(&urgent),
            Lane::Normal => Arc::clone(&normal),
        }))
    }

    /// The Kafka destination that it gets its events out of.
    fn source(
        &self,
        settings: &boxbridge_config::Destination,
    ) -> Option<&boxbridge_config::Destination> {
        match &settings.kind {
            Kind::Mqtt(mqtt) => self.config.send.named(mqtt.from.as_deref()?),
            Kind::Store(_) | Kind::Kafka(_) => None,
        }
    }

    fn membership(
        &self,
        settings: &boxbridge_config::Destination,
        source: &boxbridge_config::Destination,
        lane: Lane,
    ) -> Membership {
        // The normal lane has what of the others is for the record only.
        let of_lane = (lane == Lane::Urgent).then_some(lane);
        let topics = self.router(source).kafka_topics_of(of_lane).into_iter();
        Membership {
            group: format!("boxbridge-{}-{lane}", settings.name),
            topics: topics.map(TopicNames).collect(),
            held: Held {
                records: self.config.send.window_records,
                bytes: self.config.send.window_bytes,
            },
        }
    }

    fn begin(
        &self,
        settings: &boxbridge_config::Destination,
        kafka: Kafka,
        (consumed, clocks): (&Arc<Consumed>, &Arc<Clocks>),
    ) -> Arc<Handover> {
        let note = Note::of(&self.data.disk, &self.config.data_dir, &settings.name);
        let through = note.read(self.data.queue.epoch());
        let handover = Handover::new(self.data.queue.newest(), through);

        let beginning = Arc::new(Beginning {
            kafka,
            consumed: Arc::clone(consumed),
            clocks: Arc::clone(clocks),
            handover: Arc::clone(&handover),
            note,
            queue: self.data.queue.clone(),
            is_known: through.is_some(),
        });
        self.tasks
            .keep_on("kafka group", move || Arc::clone(&beginning).run());
        handover
    }

    fn deliver_out_of_kafka(
        &self,
        settings: &boxbridge_config::Destination,
        mqtt: &Mqtt,
        (contact, consumed, aside, clocks): (
            &Arc<Contact>,
            &Arc<Consumed>,
            &Arc<AsideTopic>,
            &Arc<Clocks>,
        ),
        common: &Common<'_>,
    ) -> Tell<Broker, Onward> {
        let (tell, told) = watch::channel(None);
        let groups = &consumed.groups;
        let destination = Arc::new(Broker {
            mqtt: mqtt.out_of_kafka(),
            groups: Arc::clone(groups),
            clocks: Arc::clone(clocks),
        });
        for (lane, group) in groups.iter() {
            let urgent = (lane == Lane::Normal).then(|| Arc::clone(groups.of(Lane::Urgent)));
            let counted = Arc::clone(&consumed.counted);
            let source = OutOfKafka::new(lane, Arc::clone(group), urgent, counted);
            let render = Onward {
                router: self.router(settings),
                clocks: Arc::clone(&destination.clocks),
            };
            let parts = (Arc::clone(&destination), render, contact);
            let delivery = Delivery {
                aside: AsidePlace::Topic(Arc::clone(aside), Arc::clone(&settings.name)),
                ..self.delivery(lane, source, parts, common)
            };
            self.keep_delivering_of(Arc::clone(group), delivery, told.clone(), common);
        }
        tell
    }

    /// The group is left once nothing of it is delivered any more.
    fn keep_delivering_of(
        &self,
        group: Arc<Group>,
        delivery: Delivery<Broker, Onward, OutOfKafka>,
        told: Told<Broker, Onward>,
        common: &Common<'_>,
    ) {
        let (lane, stop) = (delivery.lane, self.tasks.stop.clone());
        let delivering = async move {
            keep_delivering(delivery, told, stop).await;
            // A fault in there was said.
            let _ = tokio::task::spawn_blocking(move || group.end()).await;
        };
        self.tasks
            .tracker
            .spawn_on(delivering, common.threads.of(lane));
    }
}

impl FromKafka {
    pub fn adopt(&self, send: &boxbridge_config::Send, mqtt: &Mqtt, router: &Arc<Router>) {
        self.router.replace(Arc::clone(router));
        let destination = Arc::new(Broker {
            mqtt: mqtt.out_of_kafka(),
            groups: Arc::clone(&self.consumed.groups),
            clocks: Arc::clone(&self.clocks),
        });
        let render = Onward {
            router: Arc::clone(router),
            clocks: Arc::clone(&self.clocks),
        };
        tell(&self.tell, send, destination, render);
    }
}

/// From the queue's cursor to the groups'.
struct Beginning {
    kafka: Kafka,
    consumed: Arc<Consumed>,
    clocks: Arc<Clocks>,
    handover: Arc<Handover>,
    note: Note,
    queue: Queue,
    /// A process before this one has come to the end of it.
    is_known: bool,
}

impl Beginning {
    async fn run(self: Arc<Beginning>) {
        let mut is_said = false;
        while !self.is_known {
            let error = match self.begin().await {
                Ok(()) => break,
                Err(error) => error,
            };
            let groups = self.consumed.groups.iter();
            groups.for_each(|(_, group)| group.cannot_begin(error.clone()));
            if !std::mem::replace(&mut is_said, true) {
                let destination = &*self.consumed.counted.destination;
                tracing::warn!(
                    destination.name = destination,
                    error,
                    "its consumer groups cannot begin: until they can, it gets its events from the queue"
                );
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }

        // First, so that no alert is late for lack of it.
        self.clocks.found(self.kafka.compare_clocks().await);
        let groups = self.consumed.groups.iter();
        groups.for_each(|(_, group)| group.begin());
        self.compare_clocks().await;
    }

    async fn compare_clocks(&self) {
        let mut was_trouble = false;
        loop {
            let trouble = self.clocks.trouble();
            let destination = &*self.consumed.counted.destination;
            match &trouble {
                Some(trouble) if !was_trouble => {
                    tracing::error!(destination.name = destination, "{trouble}")
                }
                None if was_trouble => tracing::info!(
                    destination.name = destination,
                    "its clock and the brokers' agree again"
                ),
                _ => {}
            }
            was_trouble = trouble.is_some();

            let pause = if was_trouble {
                COMPARE_AGAIN
            } else {
                COMPARE_EVERY
            };
            tokio::time::sleep(pause).await;
            self.clocks.found(self.kafka.compare_clocks().await);
        }
    }

    /// The offsets first: what is accepted until they are committed is the queue's to deliver.
    async fn begin(&self) -> Result<(), String> {
        let mut is_new = false;
        for (_, group) in self.consumed.groups.iter() {
            let begun = self.kafka.begin(group.membership()).await;
            is_new |= begun.map_err(|error| error.message)? == Begun::Now;
        }

        let through = match is_new {
            true => self.queue.newest(),
            // Others have read it all along.
            false => self.handover.newest_at_start(),
        };
        let noted = self.note.write(self.queue.epoch(), through);
        noted.map_err(|error| format!("{}: {error}", self.note.path.display()))?;
        self.handover.tell(through);
        Ok(())
    }
}

/// Where a destination's log ends and Kafka begins, from one run to the next.
struct Note {
    disk: Disk,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    /// Of the log.
    epoch: String,
    through: u64,
}

impl Note {
    fn of(disk: &Disk, data_dir: &Path, destination: &str) -> Note {
        Note {
            disk: disk.clone(),
            path: data_dir.join(format!("handover-{destination}")),
        }
    }

    /// `None` where it never was, or of another log.
    fn read(&self, epoch: &str) -> Option<Sequence> {
        let text = self.disk.read_if_there(&self.path).ok()??;
        let noted: Noted = serde_json::from_slice(&text).ok()?;
        (noted.epoch == epoch).then_some(Sequence(noted.through))
    }

    /// Blocks for a sync.
    fn write(&self, epoch: &str, through: Sequence) -> io::Result<()> {
        let noted = Noted {
            epoch: epoch.to_owned(),
            through: through.0,
        };
        let text = serde_json::to_vec(&noted)?;
        self.disk.replace(&self.path, &text)
    }
}
