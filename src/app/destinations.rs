//! The destinations of the settings: a new kind is a function here.
//!
//! Promises: nothing is delivered before every one of them could be made. Deliberately the only file that knows which kinds there are;
//! whatever comes after it sees a name.

use std::sync::Arc;

use anyhow::Context;

use super::data_dir::DataDir;
use super::embedded_broker::EmbeddedBroker;
use crate::normalize;
use crate::route::Router;
use crate::send::kafka::{self, Kafka};
use crate::send::mqtt::{GatewayIdentity, Mqtt};
use crate::send::store::Store;
use boxbridge_config::{Config, Kind, Routes};
use boxbridge_event::Timestamp;

mod deliveries;
pub mod picture_store;
mod threads;

pub(super) use deliveries::Deliveries;
pub use deliveries::keep_delivering;
pub(super) use threads::LaneThreads;

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

/// Makes all of them, or says why one cannot be.
pub(super) fn make<'a>(
    config: &'a Config,
    data: &DataDir,
    embedded: Option<&EmbeddedBroker>,
) -> anyhow::Result<Vec<Made<'a>>> {
    let mut all = Vec::new();
    for settings in &config.send.destinations {
        let client = client(config, settings, data, embedded)?;
        all.extend(client.map(|client| Made { settings, client }));
    }
    Ok(all)
}

/// `None` for an MQTT destination that names no broker while none runs in this process.
fn client(
    config: &Config,
    settings: &boxbridge_config::Destination,
    data: &DataDir,
    embedded: Option<&EmbeddedBroker>,
) -> anyhow::Result<Option<Client>> {
    let client = match &settings.kind {
        Kind::Store(of_store) => {
            let store = Store::on(data.disk.clone(), of_store.clone());
            Some(Client::Store(Arc::new(store)))
        }
        Kind::Kafka(of_kafka) => {
            let kafka = kafka(config, of_kafka, &settings.routes);
            Some(Client::Kafka(Arc::new(kafka)))
        }
        Kind::Mqtt(of_mqtt) => {
            let of_mqtt = reached(of_mqtt, embedded);
            mqtt(config, &settings.name, of_mqtt, &data.instance)
                .with_context(|| format!("send.{}", settings.name))?
                .map(|mqtt| Client::Mqtt(Arc::new(mqtt)))
        }
    };
    Ok(client)
}

fn reached(
    settings: &boxbridge_config::Mqtt,
    embedded: Option<&EmbeddedBroker>,
) -> boxbridge_config::Mqtt {
    match embedded {
        Some(embedded) => embedded.reached_by(settings.clone()),
        None => settings.clone(),
    }
}

/// The broker of these settings; `None` if they name none outside this process.
pub fn mqtt(
    config: &Config,
    name: &Arc<str>,
    settings: boxbridge_config::Mqtt,
    instance: &str,
) -> anyhow::Result<Option<Mqtt>> {
    let Some(broker) = settings.broker.clone() else {
        return Ok(None);
    };

    let identity = GatewayIdentity {
        destination: Arc::clone(name),
        site: config.site.clone(),
        gateway: config.gateway.clone(),
        instance: instance.to_owned(),
        started: Timestamp::now(),
    };
    Ok(Some(Mqtt::new(settings, broker, &config.send, identity)?))
}

pub fn kafka(config: &Config, settings: &boxbridge_config::Kafka, routes: &Routes) -> Kafka {
    Kafka::new(
        settings.clone(),
        kafka_topics(config, routes),
        kafka::Limits::of(&config.send),
    )
}

/// The topics that the routes can name in advance.
pub fn kafka_topics(config: &Config, routes: &Routes) -> Vec<String> {
    let locations = picture_store::configured(config);
    Router::new(routes, locations, "", normalize::table)
        .kafka_topics(&config.site)
        .into_iter()
        .collect()
}
