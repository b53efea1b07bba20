//! A broker whose events come out of Kafka: a consumer group for each lane beside the destination's own loops.
//!
//! Promises: the groups begin before the queue's own cursor ends, so nothing falls between the two; where that was is kept in `data_dir`. Brokers
//! that are not there are asked again, and until then the queue delivers. The groups are left once their delivery has ended. Deliberately
//! changes no delivery: it only has another source. How the groups begin stands in `beginning`, what they leave to nobody in `left_behind`.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

mod beginning;
mod left_behind;
mod note;

pub use left_behind::left_behind;
pub use note::handed_over;

use beginning::Beginning;
use note::Note;

use super::deliveries::{Common, Deliveries};
use super::kafka;
use super::told::{Tell, Told, keep_delivering, tell};
use crate::gateway::{
    AsidePlace, Consumed, Counted, Delivery, Handover, Intake, Lately, Onward, OutOfKafka, Sources,
};
use crate::route::{Router, kafka_topics_of};
use crate::send::contact::Contact;
use crate::send::kafka::group::{Clocks, Group, Held, Membership, TopicNames};
use crate::send::kafka::{AsideTopic, Kafka};
use crate::send::mqtt::{self, Mqtt};
use crate::send::{ConnectError, Destination};
use boxbridge_config::{Current, Kind};
use boxbridge_event::{ByLane, Lane, Message};

type Groups = Arc<ByLane<Arc<Group>>>;
type LatelyRead = Arc<ByLane<Arc<Lately>>>;

/// What others hold of it: who looks, and a reload.
pub(super) struct FromKafka {
    pub contact: Arc<Contact>,
    pub consumed: Arc<Consumed>,
    tell: Tell<Broker, Onward>,
    /// The lanes of person types, as they were at the start.
    lanes: Arc<Router>,
    clocks: Arc<Clocks>,
    kafka: Arc<Current<Kafka>>,
    aside: Arc<AsideTopic>,
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
        let kafka = Arc::new(Current::new(self.cluster(source)?));

        // What delivers out of the queue has the destination's own name.
        let name: Arc<str> = format!("{}@{}", settings.name, source.name).into();
        let counted = Arc::new(Counted::of(Arc::clone(&name)));
        // Other lanes than those of the start would leave topics to nobody.
        let router = self.router(settings);
        let lately = Arc::new(ByLane::new(|_| {
            Arc::new(Lately::within(self.config.normalize.dedupe_window))
        }));
        let sources = Arc::new(Sources::of(self.router(source)));
        let shared = (&router, &sources, &counted, &lately);
        let groups = match self.groups((settings, source), &kafka.now(), shared) {
            Ok(groups) => Arc::new(groups),
            Err(error) => {
                tracing::error!(destination.name = &*name, %error, "no threads for its consumer groups: it gets its events from the queue");
                return None;
            }
        };

        let note = Note::of(&self.data.disk, &self.config.data_dir, &settings.name);
        let through = note.read(self.data.queue.epoch());
        let contact = Arc::new(Contact::new(name, boxbridge_config::MQTT));
        let consumed = Arc::new(Consumed {
            destination: Arc::clone(&settings.name),
            source: Arc::clone(&source.name),
            handover: Handover::new(through),
            sources,
            counted,
            groups,
            lately,
        });
        let aside = Arc::new(kafka.now().aside_topic());
        let clocks = Arc::new(Clocks::default());
        self.begin(&kafka, (&consumed, &clocks), (note, through.is_some()));
        let shared = (&contact, &consumed, &aside, &clocks);
        let tell = self.deliver_out_of_kafka(settings, mqtt, shared, common);
        Some(FromKafka {
            contact,
            consumed,
            tell,
            lanes: router,
            clocks,
            kafka,
            aside,
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
        (router, sources, counted, lately): (
            &Arc<Router>,
            &Arc<Sources>,
            &Arc<Counted>,
            &LatelyRead,
        ),
    ) -> io::Result<ByLane<Arc<Group>>> {
        let join = |lane| {
            let lately = Arc::clone(lately.of(lane));
            let routed = (Arc::clone(router), Arc::clone(sources));
            let intake = Intake::new(lane, routed, lately, Arc::clone(counted));
            kafka.join(self.membership(settings, source, (lane, router)), intake)
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
        self.config.send.named(settings.source()?)
    }

    fn cluster(&self, source: &boxbridge_config::Destination) -> Option<Kafka> {
        match &source.kind {
            Kind::Kafka(of_kafka) => Some(kafka(self.config, source, of_kafka)),
            Kind::Store(_) | Kind::Mqtt(_) => None,
        }
    }

    fn membership(
        &self,
        settings: &boxbridge_config::Destination,
        source: &boxbridge_config::Destination,
        (lane, lanes): (Lane, &Router),
    ) -> Membership {
        Membership {
            group: group(&settings.name, lane),
            topics: self.topics(source, (lane, lanes)),
            held: Held {
                records: self.config.send.window_records,
                bytes: self.config.send.window_bytes,
            },
        }
    }

    /// What a lane reads: the normal one has what of the others is for the record only.
    fn topics(
        &self,
        source: &boxbridge_config::Destination,
        (lane, lanes): (Lane, &Router),
    ) -> Vec<TopicNames> {
        let is_read =
            |person_type| lane == Lane::Normal || lanes.lane_onward(person_type, true) == lane;
        let topics = kafka_topics_of(&source.routes, is_read).into_iter();
        topics.map(TopicNames).collect()
    }

    /// `is_known`: a process before this one has begun them.
    fn begin(
        &self,
        kafka: &Arc<Current<Kafka>>,
        (consumed, clocks): (&Arc<Consumed>, &Arc<Clocks>),
        (note, is_known): (Note, bool),
    ) {
        let beginning = Arc::new(Beginning {
            kafka: Arc::clone(kafka),
            consumed: Arc::clone(consumed),
            clocks: Arc::clone(clocks),
            note,
            queue: self.data.queue.clone(),
            is_known,
        });
        self.tasks
            .keep_on("kafka group", move || Arc::clone(&beginning).run());
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
            let source = OutOfKafka::new(lane, consumed);
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

/// Part of the contract with operators: rights are given to it, and its lag is looked at.
fn group(destination: &str, lane: Lane) -> String {
    format!("boxbridge-{destination}-{lane}")
}

impl FromKafka {
    /// Delivers by other settings from now on. The groups are left and joined again: the brokers may know us by another name.
    pub fn adopt(
        &self,
        deliveries: &Deliveries<'_>,
        settings: &boxbridge_config::Destination,
        mqtt: &Mqtt,
    ) {
        let router = &deliveries.router(settings);
        if let Some(source) = deliveries.source(settings)
            && let Some(kafka) = deliveries.cluster(source)
        {
            for (lane, group) in self.consumed.groups.iter() {
                let topics = deliveries.topics(source, (lane, &self.lanes));
                group.adopt(&kafka, topics);
            }
            self.consumed.sources.add(deliveries.router(source));
            self.aside.adopt(&kafka);
            self.kafka.replace(kafka);
        }

        let destination = Arc::new(Broker {
            mqtt: mqtt.out_of_kafka(),
            groups: Arc::clone(&self.consumed.groups),
            clocks: Arc::clone(&self.clocks),
        });
        let render = Onward {
            router: Arc::clone(router),
            clocks: Arc::clone(&self.clocks),
        };
        tell(&self.tell, &deliveries.config.send, destination, render);
    }
}
