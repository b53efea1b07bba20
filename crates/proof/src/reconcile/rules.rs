//! What the routes promise: which bus an event of a type goes to, on which topic, in which lane.
//!
//! The same checked routes as the gateway's, read back to front: from a topic to what it is for. Deliberately filled in here a
//! second time and not with the gateway's own code, so that a mistake there does not confirm itself.

use super::bus::{Bus, Stream};
use boxbridge_config::{Config, Field, Part, PicturePolicy, Route, Routes, Template};
use boxbridge_event::{Feed, Lane, PersonType};

#[derive(Clone, Debug)]
pub struct Rules {
    mqtt: Routes,
    kafka: Routes,
    store: Routes,
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
    /// Of the destinations that are called `mqtt`, `kafka` and `store`.
    pub fn of(config: &Config) -> Rules {
        let routes = |name: &str| {
            let named = config.send.named(name);
            named.map_or_else(|| config.routes.clone(), |named| named.routes.clone())
        };
        Rules {
            mqtt: routes("mqtt"),
            kafka: routes("kafka"),
            store: routes("store"),
        }
    }

    /// Whether an acknowledged event of this kind must arrive there. Where a type has no late topic, an event that was too
    /// late for the live one is missing all the same: nobody received it.
    pub fn expects(&self, bus: Bus, person_type: PersonType, feed: Feed) -> bool {
        let route = self.routes(bus).of(person_type);
        match (bus, feed) {
            (Bus::Kafka, _) => route.kafka_topic.is_some(),
            (Bus::Mqtt, Feed::History) => route.mqtt_late_topic.is_some(),
            (Bus::Mqtt, Feed::Realtime | Feed::Platform) => route.mqtt_topic.is_some(),
        }
    }

    pub fn stores_pictures(&self, person_type: PersonType) -> bool {
        self.store.of(person_type).pictures != PicturePolicy::Drop
    }

    /// Only live events are ever urgent.
    pub fn lane(&self, person_type: PersonType, feed: Feed) -> Lane {
        match feed {
            Feed::History => Lane::Normal,
            // It is the event's own: every destination has the same.
            Feed::Realtime | Feed::Platform => self.store.of(person_type).lane,
        }
    }

    /// What this topic is for, if the event that came on it belongs there. An event in the vendor's shape says too little of
    /// itself: it is taken at its topic's word, and late topics are told by how they are written.
    pub fn stream(&self, bus: Bus, topic: &str, event: &Variables) -> Stream {
        let Some(person_type) = event.person_type else {
            return match self.late_topics().any(|late| matches(late, topic)) {
                true => Stream::Late,
                false => Stream::Live,
            };
        };

        let route = self.routes(bus).of(person_type);
        let is = |template: &Option<Template>| {
            template
                .as_ref()
                .is_some_and(|template| fill(template, event) == topic)
        };
        match bus {
            Bus::Kafka if is(&route.kafka_topic) => Stream::Live,
            Bus::Mqtt if is(&route.mqtt_topic) => Stream::Live,
            Bus::Mqtt if is(&route.mqtt_late_topic) => Stream::Late,
            Bus::Kafka | Bus::Mqtt => Stream::Elsewhere,
        }
    }

    /// The MQTT filters that catch every topic of the routes.
    pub fn mqtt_filters(&self) -> Vec<String> {
        let templates = self.templates(Bus::Mqtt, |route| {
            [&route.mqtt_topic, &route.mqtt_late_topic]
        });
        let mut filters: Vec<_> = templates.map(filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    pub fn is_kafka_topic(&self, topic: &str) -> bool {
        self.templates(Bus::Kafka, |route| [&route.kafka_topic])
            .any(|template| matches(template, topic))
    }

    fn routes(&self, bus: Bus) -> &Routes {
        match bus {
            Bus::Mqtt => &self.mqtt,
            Bus::Kafka => &self.kafka,
        }
    }

    fn late_topics(&self) -> impl Iterator<Item = &Template> {
        self.templates(Bus::Mqtt, |route| [&route.mqtt_late_topic])
    }

    fn templates<'a, const N: usize>(
        &'a self,
        bus: Bus,
        of: impl Fn(&'a Route) -> [&'a Option<Template>; N],
    ) -> impl Iterator<Item = &'a Template> {
        self.routes(bus)
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

    fn rules() -> Rules {
        Rules::of(&Config::load(&Layers::default()).unwrap())
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
        let stream = |bus, topic| rules().stream(bus, topic, &vip);
        assert_eq!(
            stream(Bus::Mqtt, "boxbridge/default/events/vip/a%2Fb%25"),
            Stream::Live
        );
        assert_eq!(
            stream(Bus::Mqtt, "boxbridge/default/late/vip/a%2Fb%25"),
            Stream::Late
        );
        assert_eq!(
            stream(Bus::Mqtt, "boxbridge/default/events/employee/a%2Fb%25"),
            Stream::Elsewhere
        );
        assert_eq!(stream(Bus::Kafka, "boxbridge.events.vip"), Stream::Live);
        assert_eq!(
            stream(Bus::Kafka, "boxbridge.events.visitor"),
            Stream::Elsewhere
        );
        assert_eq!(
            rules().stream(Bus::Mqtt, "boxbridge/x/late/y/z", &variables(None)),
            Stream::Late
        );
    }

    #[test]
    fn what_to_subscribe_to_follows_from_the_routes() {
        assert_eq!(
            rules().mqtt_filters(),
            ["boxbridge/+/events/+/+", "boxbridge/+/late/+/+"]
        );
        assert!(rules().is_kafka_topic("boxbridge.events.vip"));
        assert!(
            !rules().is_kafka_topic("boxbridge.orders.vip") && !rules().is_kafka_topic("other")
        );
    }
}
