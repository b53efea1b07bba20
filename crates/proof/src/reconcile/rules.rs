//! What the routes promise: which destination an event of a type goes to, on which topic, in which lane.
//!
//! The same checked routes as the gateway's, read back to front: from a topic to its purpose. Deliberately filled in here a
//! second time and not with the gateway's own code, so that a mistake there does not confirm itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::destination::{BusKind, Stream};
use boxbridge_config::{
    Config, Field, Kind, Part, PicturePolicy, Redaction, Route, Routes, STORE, Secret, Template,
};
use boxbridge_event::{Feed, Lane, PersonType};

/// Of every destination of a config, by its name.
#[derive(Clone, Debug)]
pub struct Rules {
    /// An event's own lane is the same for every destination.
    base: Routes,
    buses: BTreeMap<String, Arc<BusRules>>,
    stores: BTreeMap<String, Routes>,
    /// What makes stand-ins, where gateways share it.
    pub redact_key: Option<Secret>,
}

/// Of one bus.
#[derive(Clone, Debug)]
pub struct BusRules {
    pub kind: BusKind,
    pub order: Order,
    routes: Routes,
}

/// What of a device's events must arrive in the order they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All of a lane.
    Lane,
    /// Those of one topic: Kafka knows no other.
    Topic,
    /// Those of a person type in a lane: they came by way of Kafka.
    PersonType,
}

impl Order {
    fn of(kind: &Kind) -> Order {
        match kind {
            Kind::Kafka(_) => Order::Topic,
            Kind::Mqtt(mqtt) if mqtt.from.is_some() => Order::PersonType,
            Kind::Mqtt(_) | Kind::Store(_) => Order::Lane,
        }
    }
}

/// What a topic template can be filled with.
pub struct Variables {
    pub site: String,
    pub gateway: String,
    pub feed: String,
    pub person_type: Option<PersonType>,
    pub device_id: String,
    pub device_type: String,
}

impl Rules {
    pub fn of(config: &Config) -> Rules {
        let mut rules = Rules::of_the_usual_three(&config.routes);
        rules.redact_key = config.redact_key.clone();
        for destination in &config.send.destinations {
            let (name, routes) = (destination.name.to_string(), destination.routes.clone());

            if let Some(kind) = BusKind::of(&destination.kind) {
                let order = Order::of(&destination.kind);
                let bus = Arc::new(BusRules {
                    kind,
                    order,
                    routes,
                });
                rules.buses.insert(name, bus);
            } else {
                rules.stores.insert(name, routes);
            }
        }
        rules
    }

    /// `mqtt`, `kafka` and `store` have rules even where they are off: a recording may be older than the config.
    fn of_the_usual_three(base: &Routes) -> Rules {
        let bus = |kind: BusKind, order: Order| {
            let bus = BusRules {
                kind,
                order,
                routes: base.clone(),
            };
            (kind.as_str().to_owned(), Arc::new(bus))
        };
        let mqtt = bus(BusKind::Mqtt, Order::Lane);
        let kafka = bus(BusKind::Kafka, Order::Topic);
        Rules {
            base: base.clone(),
            buses: BTreeMap::from([mqtt, kafka]),
            stores: BTreeMap::from([(STORE.to_owned(), base.clone())]),
            redact_key: None,
        }
    }

    /// `None` where no bus of the config has this name.
    pub fn bus(&self, name: &str) -> Option<&Arc<BusRules>> {
        self.buses.get(name)
    }

    pub fn stores_pictures(&self, store: &str, person_type: PersonType) -> bool {
        let routes = self.stores.get(store).unwrap_or(&self.base);
        routes.of(person_type).pictures != PicturePolicy::Drop
    }

    /// Only live events are ever urgent.
    pub fn lane(&self, person_type: PersonType, feed: Feed) -> Lane {
        match feed {
            Feed::History => Lane::Normal,
            Feed::Realtime | Feed::Platform => self.base.of(person_type).lane,
        }
    }
}

impl BusRules {
    /// What events of this type leave without.
    pub fn redaction(&self, person_type: PersonType) -> &Redaction {
        &self.routes.of(person_type).redaction
    }

    /// Whether events of some type leave without what tells whose they are.
    pub fn hides_markers(&self) -> bool {
        self.routes
            .iter()
            .any(|(_, route)| route.redaction.hides_extra())
    }

    /// Whether an acknowledged event of this kind must arrive there. A type without a late topic loses its late events: nobody
    /// receives them, so they count as missing.
    pub fn expects(&self, person_type: PersonType, feed: Feed) -> bool {
        let route = self.routes.of(person_type);
        match (self.kind, feed) {
            (BusKind::Kafka, _) => route.kafka_topic.is_some(),
            (BusKind::Mqtt, Feed::History) => route.mqtt_late_topic.is_some(),
            (BusKind::Mqtt, Feed::Realtime | Feed::Platform) => route.mqtt_topic.is_some(),
        }
    }

    /// What this topic is for, if the event that came on it belongs there. An event in the vendor's shape says too little of
    /// itself: we believe its topic, and tell a late topic by its template.
    pub fn stream(&self, topic: &str, event: &Variables) -> Stream {
        let Some(person_type) = event.person_type else {
            let is_late = self.late_topics().any(|late| matches(late, topic));
            return if is_late { Stream::Late } else { Stream::Live };
        };

        let route = self.routes.of(person_type);
        let is = |template: &Option<Template>| {
            template
                .as_ref()
                .is_some_and(|template| fill(template, event) == topic)
        };
        match self.kind {
            BusKind::Kafka if is(&route.kafka_topic) => Stream::Live,
            BusKind::Mqtt if is(&route.mqtt_topic) => Stream::Live,
            BusKind::Mqtt if is(&route.mqtt_late_topic) => Stream::Late,
            BusKind::Kafka | BusKind::Mqtt => Stream::Elsewhere,
        }
    }

    /// The MQTT filters that catch every topic of the routes.
    pub fn mqtt_filters(&self) -> Vec<String> {
        let templates = self.templates(|route| [&route.mqtt_topic, &route.mqtt_late_topic]);
        let mut filters: Vec<_> = templates.map(filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    pub fn is_kafka_topic(&self, topic: &str) -> bool {
        self.templates(|route| [&route.kafka_topic])
            .any(|template| matches(template, topic))
    }

    fn late_topics(&self) -> impl Iterator<Item = &Template> {
        let of_mqtt = self.templates(|route| [&route.mqtt_late_topic]);
        of_mqtt.filter(|_| self.kind == BusKind::Mqtt)
    }

    fn templates<'a, const N: usize>(
        &'a self,
        of: impl Fn(&'a Route) -> [&'a Option<Template>; N],
    ) -> impl Iterator<Item = &'a Template> {
        self.routes
            .iter()
            .flat_map(move |(_, route)| of(route))
            .flatten()
    }
}

fn fill(template: &Template, event: &Variables) -> String {
    let word = |field: &Field| match field {
        Field::Site => encode(&event.site),
        Field::Gateway => encode(&event.gateway),
        Field::PersonType => event.person_type.map_or("", PersonType::as_str).to_owned(),
        Field::Feed => encode(&event.feed),
        Field::DeviceId => encode(&event.device_id),
        Field::DeviceType => encode(&event.device_type),
    };

    let parts = template.parts.iter().map(|part| match part {
        Part::Literal(literal) => literal.clone(),
        Part::Field(field) => word(field),
    });
    parts.collect()
}

/// As the contract writes what comes from a box into a topic level.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for c in text.chars() {
        if "%+#/".contains(c) || c.is_control() {
            let bytes = c.encode_utf8(&mut [0; 4]).bytes().collect::<Vec<_>>();
            bytes
                .iter()
                .for_each(|byte| encoded += &format!("%{byte:02X}"));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

/// `boxbridge/{site}/events/{person_type}` → `boxbridge/+/events/+`; a level that is partly fixed is matched whole.
fn filter(template: &Template) -> String {
    let text = template.to_string();
    let levels = text
        .split('/')
        .map(|level| if level.contains('{') { "+" } else { level });
    levels.collect::<Vec<_>>().join("/")
}

/// Whether something can be put into the template's fields that makes this topic.
fn matches(template: &Template, topic: &str) -> bool {
    let mut rest = topic;
    let mut after_field = false;
    for part in &template.parts {
        match part {
            Part::Field(_) => after_field = true,
            Part::Literal(literal) => {
                let literal = literal.as_str();
                let found = match after_field {
                    true => rest.find(literal),
                    false => rest.starts_with(literal).then_some(0),
                };

                let Some(found) = found else { return false };
                rest = rest.get(found + literal.len()..).unwrap_or_default();
                after_field = false;
            }
        }
    }
    after_field || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxbridge_config::Layers;

    fn bus(name: &str) -> Arc<BusRules> {
        let rules = Rules::of(&Config::load(&Layers::default()).unwrap());
        rules.bus(name).unwrap().clone()
    }

    fn variables(person_type: Option<PersonType>) -> Variables {
        Variables {
            site: "default".to_owned(),
            gateway: "edge-1".to_owned(),
            feed: "realtime".to_owned(),
            person_type,
            device_id: "a/b%".to_owned(),
            device_type: "gate".to_owned(),
        }
    }

    #[test]
    fn a_topic_of_another_person_type_is_elsewhere() {
        let vip = variables(Some(PersonType::Vip));
        for (name, topic, stream) in [
            (
                "mqtt",
                "boxbridge/default/events/vip/a%2Fb%25",
                Stream::Live,
            ),
            ("mqtt", "boxbridge/default/late/vip/a%2Fb%25", Stream::Late),
            (
                "mqtt",
                "boxbridge/default/events/employee/a%2Fb%25",
                Stream::Elsewhere,
            ),
            ("kafka", "boxbridge.events.vip", Stream::Live),
            ("kafka", "boxbridge.events.visitor", Stream::Elsewhere),
        ] {
            assert_eq!(bus(name).stream(topic, &vip), stream, "{topic}");
        }

        let vendors = variables(None);
        let stream = bus("mqtt").stream("boxbridge/x/late/y/z", &vendors);
        assert_eq!(stream, Stream::Late);
    }

    #[test]
    fn what_to_subscribe_to_follows_from_the_routes() {
        assert_eq!(
            bus("mqtt").mqtt_filters(),
            ["boxbridge/+/events/+/+", "boxbridge/+/late/+/+"]
        );

        let kafka = bus("kafka");
        assert!(kafka.is_kafka_topic("boxbridge.events.vip"));
        assert!(!kafka.is_kafka_topic("boxbridge.orders.vip"));
        assert!(!kafka.is_kafka_topic("other"));
    }
}
