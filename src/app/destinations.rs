//! The destinations of the settings: a new kind is a function here.
//!
//! Promises: nothing is delivered before every one of them could be made. Deliberately the only file that knows which kinds there are;
//! whatever comes after it sees a name.

use std::sync::Arc;

use anyhow::Context;

use crate::gateway::Preview;
use crate::links::Links;
use crate::normalize;
use crate::route::{self, PictureLocations, RedactKey, Router, pictures_told};
use crate::send::embedded::Entrance;
use crate::send::kafka::{self, Kafka};
use crate::send::mqtt::{GatewayIdentity, Mqtt};
use crate::send::store::Store;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Kind, Routes};
use boxbridge_event::Timestamp;

mod announcements;
mod answered_from;
mod deliveries;
mod discovery;
mod out_of_kafka;
pub mod picture_store;
mod second_word;
mod threads;
mod told;

pub(super) use answered_from::{answering_cluster, holders};
pub(super) use deliveries::{Common, Delivered, Deliveries};
pub use out_of_kafka::{handed_over, left_behind};
pub(super) use second_word::Laters;
pub(super) use threads::LaneThreads;
pub use told::keep_delivering;

/// A destination that can be connected to.
pub(super) struct Made<'a> {
    pub settings: &'a boxbridge_config::Destination,
    pub client: Client,
}

pub(super) enum Client {
    Store(Arc<Store>),
    Mqtt(Arc<Mqtt>),
    Kafka(Arc<Kafka>),
}

impl Made<'_> {
    pub fn store(&self) -> Option<Arc<Store>> {
        match &self.client {
            Client::Store(store) => Some(Arc::clone(store)),
            Client::Mqtt(_) | Client::Kafka(_) => None,
        }
    }
}

/// The names of all destinations. Cursors are kept under them.
pub fn names(config: &Config) -> Vec<Arc<str>> {
    let destinations = config.send.destinations.iter();
    destinations
        .map(|destination| Arc::clone(&destination.name))
        .collect()
}

/// What a destination is made with besides its settings; the same from the start of this process to its end.
pub(super) struct Maker {
    pub disk: Disk,
    /// See [`super::instance`].
    pub instance: String,
    pub started: Timestamp,
    /// Of the broker in this process, if it runs.
    pub entrance: Option<Entrance>,
}

impl Maker {
    /// Makes all of them, or says why one cannot be.
    pub fn all<'a>(&self, config: &'a Config) -> anyhow::Result<Vec<Made<'a>>> {
        let mut all = Vec::new();
        for settings in &config.send.destinations {
            all.extend(self.one(config, settings)?);
        }
        Ok(all)
    }

    /// `None` for an MQTT destination that names no broker while none runs in this process.
    pub fn one<'a>(
        &self,
        config: &'a Config,
        settings: &'a boxbridge_config::Destination,
    ) -> anyhow::Result<Option<Made<'a>>> {
        let client = match &settings.kind {
            Kind::Store(of_store) => {
                let store = Store::on(self.disk.clone(), of_store.clone());
                Some(Client::Store(Arc::new(store)))
            }
            Kind::Kafka(of_kafka) => {
                let kafka = kafka(config, settings, of_kafka);
                Some(Client::Kafka(Arc::new(kafka)))
            }
            Kind::Mqtt(of_mqtt) => {
                let of_mqtt = self.reached(of_mqtt);
                let (name, by) = (&settings.name, (&*self.instance, self.started));
                mqtt(config, name, of_mqtt, by)
                    .with_context(|| format!("send.{name}"))?
                    .map(|mqtt| Client::Mqtt(Arc::new(mqtt)))
            }
        };

        Ok(client.map(|client| Made { settings, client }))
    }

    /// Settings that name no broker get the one in this process.
    fn reached(&self, settings: &boxbridge_config::Mqtt) -> boxbridge_config::Mqtt {
        match (&settings.broker, &self.entrance) {
            (None, Some(entrance)) => entrance.of(settings.clone()),
            _ => settings.clone(),
        }
    }
}

/// The broker of these settings, for the gateway of this instance that started then; `None` if they name none outside this process.
pub fn mqtt(
    config: &Config,
    name: &Arc<str>,
    settings: boxbridge_config::Mqtt,
    (instance, started): (&str, Timestamp),
) -> anyhow::Result<Option<Mqtt>> {
    let Some(broker) = settings.broker.clone() else {
        return Ok(None);
    };

    let identity = GatewayIdentity {
        destination: Arc::clone(name),
        site: config.site.clone(),
        gateway: config.gateway.clone(),
        instance: instance.to_owned(),
        started,
    };
    let mqtt = Mqtt::new(settings, broker, &config.send, identity)?;
    Ok(Some(match config.queue.answer_from {
        Some(_) => mqtt.replaceable(),
        None => mqtt,
    }))
}

pub fn kafka(
    config: &Config,
    destination: &boxbridge_config::Destination,
    settings: &boxbridge_config::Kafka,
) -> Kafka {
    let topics = kafka_topics(config, &destination.routes);
    let kafka = Kafka::new(settings.clone(), topics, kafka::Limits::of(&config.send));
    match config.queue.answer_from.as_ref() == Some(&destination.name) {
        true => kafka.answering_boxes(),
        false => kafka,
    }
}

/// The topics that the routes can name in advance.
pub fn kafka_topics(config: &Config, routes: &Routes) -> Vec<String> {
    let routed = route::kafka_topics(routes, &config.site);
    let links = config.send.store().links.as_ref();
    let announced = links
        .filter(|links| links.announce)
        .map(|_| pictures_told::KAFKA_TOPIC.to_owned());
    routed.into_iter().chain(announced).collect()
}

/// What set-aside records would be sent as now, for each destination.
pub fn previews(
    config: &Config,
    (locations, links): (&PictureLocations, &Arc<Links>),
    epoch: &str,
    redact_key: &RedactKey,
) -> Vec<Preview> {
    let destinations = config.send.destinations.iter();
    let preview = |destination: &boxbridge_config::Destination| Preview {
        destination: Arc::clone(&destination.name),
        kind: destination.kind.name(),
        router: Router::new(
            &destination.routes,
            locations.clone(),
            epoch,
            normalize::table,
            redact_key.clone(),
        ),
        links: Arc::clone(links),
    };
    destinations.map(preview).collect()
}
