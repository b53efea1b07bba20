//! What to listen to: buses of a config, by name.

use std::time::Duration;

use boxbridge_config::{self as config, Config, Destination, Kind};
use boxbridge_event::Timestamp;

use crate::reconcile::rules::Rules;

#[derive(Clone, Debug)]
pub struct Sources {
    pub buses: Vec<Source>,
    pub rules: Rules,
    /// How long the gateway may let pass before it tries a bus that is back.
    pub retry_max: Duration,
}

#[derive(Clone, Debug)]
pub struct Source {
    /// The destination's, in the config and in the report.
    pub name: String,
    pub settings: Settings,
}

/// How to reach a bus, and what to take from it.
#[derive(Clone, Debug)]
pub enum Settings {
    Mqtt {
        mqtt: config::Mqtt,
        /// Instead of those that follow from the routes, where there are any.
        filters: Vec<String>,
    },
    Kafka {
        kafka: config::Kafka,
        since: Timestamp,
    },
}

impl Sources {
    /// Every bus of the config; of Kafka, what comes from now on.
    pub fn all(config: &Config) -> Sources {
        let now = Timestamp::now();
        let destinations = config.send.destinations.iter();
        let buses = destinations.filter_map(|destination| Source::of(destination, &[], now));
        Sources {
            buses: buses.collect(),
            rules: Rules::of(config),
            retry_max: config.send.retry_max,
        }
    }
}

impl Source {
    /// `None` for a store: one looks into it, and does not listen. MQTT takes the filters, Kafka the time.
    pub fn of(destination: &Destination, filters: &[String], since: Timestamp) -> Option<Source> {
        let settings = match &destination.kind {
            Kind::Mqtt(mqtt) => Settings::Mqtt {
                mqtt: mqtt.clone(),
                filters: filters.to_vec(),
            },
            Kind::Kafka(kafka) => Settings::Kafka {
                kafka: kafka.clone(),
                since,
            },
            Kind::Store(_) => return None,
        };

        Some(Source {
            name: destination.name.to_string(),
            settings,
        })
    }
}
