//! `[send]`: the destinations, and what they have in common.
//!
//! A destination is a name, a kind with its settings, and its routes. The names `store`, `mqtt` and `kafka` are there with the kind
//! of that name; every other one comes from the settings ([`destinations`]).

use std::sync::Arc;
use std::time::Duration;

use crate::layers::destinations;
use crate::reader::Reader;
use crate::reader::effect::DESTINATIONS;
use crate::reader::units::{GIB, KIB, SECOND};
use crate::route::Routes;
use crate::values::kind::{KAFKA, KindName, MQTT, STORE};

mod kafka;
mod mqtt;
mod store;
mod tls;
mod users;

pub use kafka::{Kafka, Sasl, TokenEndpoint};
pub use mqtt::{Broker, DEVICE_STATUS_TOPIC, Embedded, Mqtt, MqttTransport, MqttVersion};
pub use store::{Bucket, LinkMode, Links, Store, StoreUrl};
pub use tls::Tls;
pub use users::{BrokerUsers, PasswordHash};

#[derive(Clone, Debug)]
pub struct Send {
    pub window_records: usize,
    pub window_bytes: usize,
    pub retry_max: Duration,
    pub stall_timeout: Duration,
    /// Those that are on: [`STORE`] always, and at least one bus.
    pub destinations: Vec<Destination>,
}

/// `[send.<name>]`, and what it gets by `[route.<name>.<person_type>]`.
#[derive(Clone, Debug)]
pub struct Destination {
    /// In cursors, metrics, files and messages.
    pub name: Arc<str>,
    pub kind: Kind,
    pub routes: Routes,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Store(Store),
    Mqtt(Mqtt),
    Kafka(Kafka),
}

impl Kind {
    pub fn name(&self) -> KindName {
        match self {
            Kind::Store(_) => KindName::Store,
            Kind::Mqtt(_) => KindName::Mqtt,
            Kind::Kafka(_) => KindName::Kafka,
        }
    }
}

impl Send {
    pub(crate) fn read(read: &mut Reader) -> Send {
        // Every destination starts from these. Their problems are reported already.
        let routes = Routes::read(read);
        let named = destinations::of(read.settings);
        let destinations = named
            .into_iter()
            .filter_map(|(name, kind)| Destination::read(read, &name, kind, &routes));
        let destinations = destinations.collect();

        Send {
            window_records: read.live().count("send.window_records", 1, 60_000),
            window_bytes: read.live().bytes("send.window_bytes", 64 * KIB, GIB),
            retry_max: read.live().duration(
                "send.retry_max",
                Duration::from_millis(100),
                600 * SECOND,
            ),
            stall_timeout: read
                .live()
                .duration("send.stall_timeout", SECOND, 600 * SECOND),
            destinations,
        }
    }

    /// The store that references mean.
    pub fn store(&self) -> &Store {
        let store = self.destinations.iter().find_map(Destination::as_store);
        store.unwrap_or_else(|| unreachable!("it is read first, and cannot be off"))
    }

    /// The destination called `mqtt`; `None` = off.
    pub fn mqtt(&self) -> Option<&Mqtt> {
        self.named(MQTT)
            .and_then(|destination| match &destination.kind {
                Kind::Mqtt(mqtt) => Some(mqtt),
                _ => None,
            })
    }

    /// The destination called `kafka`; `None` = off.
    pub fn kafka(&self) -> Option<&Kafka> {
        self.named(KAFKA)
            .and_then(|destination| match &destination.kind {
                Kind::Kafka(kafka) => Some(kafka),
                _ => None,
            })
    }

    pub fn named(&self, name: &str) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|destination| &*destination.name == name)
    }

    /// The settings by which destinations are on in one of these and not in the other, or are our own broker in one alone.
    pub(crate) fn joined_or_left(&self, other: &Send) -> Vec<String> {
        let of = |send: &Send, name: &str| send.named(name).map(Destination::is_elsewhere);
        let both = self.destinations.iter().chain(&other.destinations);
        let differing = both.filter(|it| of(self, &it.name) != of(other, &it.name));
        differing.map(Destination::switch).collect()
    }

    pub(crate) fn warnings(&self, routes: &Routes) -> Vec<String> {
        self.destinations
            .iter()
            .flat_map(|destination| destination.warnings(routes))
            .collect()
    }
}

impl Destination {
    /// `None` = off.
    fn read(read: &mut Reader, name: &str, kind: KindName, routes: &Routes) -> Option<Destination> {
        let section = format!("send.{name}");
        let read_kind = read.by_restart(DESTINATIONS);
        match KindName::from_word(name) {
            Some(own) => read_kind.word(&format!("{section}.kind"), &[(own.as_str(), ())]),
            None => read_kind.word(
                &format!("{section}.kind"),
                &KindName::ALL.map(|kind| (kind.as_str(), ())),
            ),
        }

        let kind = match kind {
            KindName::Store => Kind::Store(Store::read(read, &section)),
            KindName::Mqtt => Kind::Mqtt(Mqtt::read(read, &section)?),
            KindName::Kafka => Kind::Kafka(Kafka::read(read, &section)?),
        };
        Some(Destination {
            name: name.into(),
            routes: routes.of_destination(read, name, kind.name()),
            kind,
        })
    }

    /// The Kafka destination that it gets its events out of; `None` = the queue.
    pub fn source(&self) -> Option<&str> {
        match &self.kind {
            Kind::Mqtt(mqtt) => mqtt.from.as_deref(),
            Kind::Store(_) | Kind::Kafka(_) => None,
        }
    }

    pub fn is_bus(&self) -> bool {
        !matches!(self.kind, Kind::Store(_))
    }

    /// Whether it is not in this process.
    fn is_elsewhere(&self) -> bool {
        !matches!(&self.kind, Kind::Mqtt(mqtt) if mqtt.broker.is_none())
    }

    /// The setting that switches it on.
    fn switch(&self) -> String {
        let setting = match &self.kind {
            Kind::Store(_) => "kind",
            Kind::Mqtt(_) => "url",
            Kind::Kafka(_) => "brokers",
        };
        format!("send.{}.{setting}", self.name)
    }

    fn as_store(&self) -> Option<&Store> {
        match &self.kind {
            Kind::Store(store) if &*self.name == STORE => Some(store),
            _ => None,
        }
    }

    fn warnings(&self, routes: &Routes) -> Vec<String> {
        let section = format!("send.{}", self.name);
        let mut warnings = match &self.kind {
            Kind::Store(store) => store.warnings(&section),
            Kind::Mqtt(mqtt) => mqtt.warnings(&section),
            Kind::Kafka(kafka) => {
                let of_routes = self.routes.warnings_of_kafka();
                [kafka.warnings(&section), of_routes].concat()
            }
        };

        let is_own = KindName::from_word(&self.name).is_none();
        if is_own && self.is_bus() && self.routes == *routes {
            warnings.push(format!(
                "{section} gets every event, on the topics of [route.default]: [route.{}.default] and [route.{}.<person_type>] say what it gets",
                self.name, self.name
            ));
        }
        warnings
    }
}
