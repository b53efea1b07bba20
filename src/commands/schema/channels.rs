//! The channels of the AsyncAPI document: each topic that the live routes have, who is told there, and what.

use serde_json::{Map, Value, json};

use super::messages::{self, Bus};
use super::sample::{Sample, When};
use crate::route::{device_status, pictures_told};
use boxbridge_config::{
    Config, DEVICE_STATUS_TOPIC, Destination, Field, Format, Kafka, Kind, Mqtt, Part, Route,
    Template,
};
use boxbridge_event::{Feed, PersonType};

/// A topic of one destination.
pub struct Channel {
    pub id: String,
    /// What its one message is called.
    pub message: &'static str,
    pub summary: String,
    pub described: Value,
    /// The bindings of the operation that sends there.
    pub sent: Value,
}

/// Every topic of a destination; a store has none.
pub fn of(config: &Config, destination: &Destination, servers: &[String]) -> Vec<Channel> {
    let on = On {
        config,
        destination,
        servers,
    };
    match &destination.kind {
        Kind::Store(_) => Vec::new(),
        Kind::Mqtt(mqtt) => on.mqtt(mqtt),
        Kind::Kafka(kafka) => on.kafka(kafka),
    }
}

struct On<'a> {
    config: &'a Config,
    destination: &'a Destination,
    servers: &'a [String],
}

/// Person types that go to one topic, in one form.
struct Group<'a> {
    address: &'a Template,
    route: &'a Route,
    person_types: Vec<PersonType>,
}

impl On<'_> {
    fn mqtt(&self, mqtt: &Mqtt) -> Vec<Channel> {
        let bus = Bus::Mqtt(mqtt.version);
        let live = self.groups(|route| route.mqtt_topic.as_ref());
        let late = self.groups(|route| route.mqtt_late_topic.as_ref());

        let live = self.events("live", &live, bus, When::Live);
        let late = self.events("late", &late, bus, When::Late);
        let status = mqtt.status_topic.iter();
        let status = status.flat_map(|topic| [self.status(topic, bus), self.devices_on_mqtt(bus)]);
        let pictures = self.announced().then(|| {
            let literal = |text: &str| Part::Literal(text.to_owned());
            let parts = vec![
                literal("boxbridge/"),
                Part::Field(Field::Site),
                literal("/pictures/{event_id}"),
            ];
            let mut channel = self.pictures(&Template { parts }, bus, "");
            if let Some(parameters) = channel.described.get_mut("parameters") {
                let id = json!({"description": "the event's id"});
                messages::add(parameters, "event_id", id);
            }
            channel
        });
        live.chain(late).chain(status).chain(pictures).collect()
    }

    fn kafka(&self, kafka: &Kafka) -> Vec<Channel> {
        let bus = Bus::Kafka;
        let groups = self.groups(|route| route.kafka_topic.as_ref());
        let events = self.events("events", &groups, bus, When::Live);
        let mut channels: Vec<_> = events.collect();
        channels.push(self.devices_on_kafka(bus));
        if self.announced() {
            let topic = Part::Literal(pictures_told::KAFKA_TOPIC.to_owned());
            channels.push(self.pictures(&Template { parts: vec![topic] }, bus, "the event's own"));
        }

        for channel in &mut channels {
            let binding =
                json!({"kafka": {"partitions": kafka.partitions, "bindingVersion": "0.5.0"}});
            messages::add(&mut channel.described, "bindings", binding);
        }
        channels
    }

    fn groups<'a>(&'a self, topic: fn(&Route) -> Option<&Template>) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (person_type, route) in self.destination.routes.iter() {
            let Some(address) = topic(route) else {
                continue;
            };
            let is_its = |group: &&mut Group| {
                *group.address == *address
                    && group.route.format == route.format
                    && group.route.kafka_key == route.kafka_key
                    && group.route.mqtt_expiry == route.mqtt_expiry
            };
            match groups.iter_mut().find(is_its) {
                Some(group) => group.person_types.push(person_type),
                None => groups.push(Group {
                    address,
                    route,
                    person_types: vec![person_type],
                }),
            }
        }
        groups
    }

    fn events(
        &self,
        word: &str,
        groups: &[Group<'_>],
        bus: Bus,
        when: When,
    ) -> impl Iterator<Item = Channel> {
        let several = groups.len() > 1;
        let channel = |group: &Group| {
            let types = several.then(|| format!("-{}", words(&group.person_types).join("-")));
            let id = format!(
                "{}-{word}{}",
                self.destination.name,
                types.unwrap_or_default()
            );
            self.event(id, group, bus, when)
        };
        groups.iter().map(channel).collect::<Vec<_>>().into_iter()
    }

    fn event(&self, id: String, group: &Group<'_>, bus: Bus, when: When) -> Channel {
        let types = words(&group.person_types).join(", ");
        let said = match (bus, when) {
            (Bus::Kafka, _) => "Matches; one may act on those with an act_before that is not over",
            (_, When::Live) => "Matches on which one may act",
            (_, When::Late) => "Matches for the record: no act_before, or past it",
        };
        let example = group.person_types.first().and_then(|person_type| {
            let sample = Sample {
                config: self.config,
                person_type: *person_type,
                when,
            };
            match bus {
                Bus::Kafka => sample.to_kafka(self.destination),
                Bus::Mqtt(_) => sample.to_mqtt(self.destination),
            }
        });

        let key = group.route.kafka_key.to_string();
        let message = match group.route.format {
            Format::Boxbridge => messages::of_match(bus, &key, example.as_ref()),
            Format::Box => messages::of_vendor(bus, &key, example.as_ref()),
        };
        let expiry = group.route.mqtt_expiry.map(|expiry| expiry.as_secs());
        Channel {
            id,
            message: "match",
            summary: format!("{said}: {types}"),
            described: self.described(group.address, &group.person_types, "match", message),
            sent: bus.sent(false, expiry),
        }
    }

    fn status(&self, topic: &Template, bus: Bus) -> Channel {
        Channel {
            id: format!("{}-status", self.destination.name),
            message: "status",
            summary: "Whether a gateway is there: retained, and its last will".to_owned(),
            described: self.described(topic, &[], "status", messages::of_status(bus)),
            sent: bus.sent(true, None),
        }
    }

    fn devices_on_mqtt(&self, bus: Bus) -> Channel {
        let fields = [Field::Site, Field::DeviceId];
        let topic = Template::parse(DEVICE_STATUS_TOPIC, &fields);
        let topic = topic.unwrap_or(Template { parts: Vec::new() });
        self.devices(&topic, bus)
    }

    fn devices_on_kafka(&self, bus: Bus) -> Channel {
        let topic = Part::Literal(device_status::KAFKA_TOPIC.to_owned());
        self.devices(&Template { parts: vec![topic] }, bus)
    }

    fn devices(&self, topic: &Template, bus: Bus) -> Channel {
        Channel {
            id: format!("{}-devices", self.destination.name),
            message: "device",
            summary: "How devices fare: the newest of each is kept; empty: it is forgotten"
                .to_owned(),
            described: self.described(topic, &[], "device", messages::of_device(bus)),
            sent: bus.sent(true, None),
        }
    }

    /// Whether a second word follows on pictures that were not stored at first.
    fn announced(&self) -> bool {
        let links = self.config.send.store().links.as_ref();
        links.is_some_and(|links| links.announce)
    }

    fn pictures(&self, topic: &Template, bus: Bus, key: &str) -> Channel {
        Channel {
            id: format!("{}-pictures", self.destination.name),
            message: "pictures",
            summary: "Pictures that were stored after their event had left".to_owned(),
            described: self.described(topic, &[], "pictures", messages::of_pictures(bus, key)),
            sent: bus.sent(false, None),
        }
    }

    fn described(
        &self,
        topic: &Template,
        person_types: &[PersonType],
        name: &str,
        message: Value,
    ) -> Value {
        let servers = self.servers.iter();
        let servers: Vec<_> = servers
            .map(|server| json!({"$ref": format!("#/servers/{server}")}))
            .collect();

        let mut described = json!({
            "address": address(topic),
            "servers": servers,
            "messages": {name: message},
        });

        let parameters = self.parameters(topic, person_types);
        if !parameters.is_empty() {
            messages::add(&mut described, "parameters", Value::Object(parameters));
        }
        described
    }

    fn parameters(&self, topic: &Template, person_types: &[PersonType]) -> Map<String, Value> {
        let fields = topic.parts.iter().filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            Part::Literal(_) => None,
        });

        let described = fields.map(|field| {
            let parameter = match field {
                Field::Site => {
                    json!({"description": "of the gateway, or of the box's URL", "examples": [self.config.site]})
                }
                Field::Gateway => json!({"description": "its name", "examples": ["edge-1"]}),
                Field::PersonType => json!({"enum": words(person_types)}),
                Field::Feed => {
                    json!({"enum": Feed::ALL.iter().map(|feed| feed.as_str()).collect::<Vec<_>>()})
                }
                Field::DeviceId => {
                    json!({"description": "the capture device's address, percent-encoded where a level cannot hold it", "examples": ["192.168.1.243"]})
                }
                Field::DeviceType => json!({"examples": ["gate"]}),
            };
            (name(field).to_owned(), parameter)
        });
        described.collect()
    }
}

/// The topic as AsyncAPI writes it: names of parameters have no dot.
fn address(topic: &Template) -> String {
    let parts = topic.parts.iter().map(|part| match part {
        Part::Literal(literal) => literal.clone(),
        Part::Field(field) => format!("{{{}}}", name(*field)),
    });
    parts.collect()
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::Site => "site",
        Field::Gateway => "gateway",
        Field::PersonType => "person_type",
        Field::Feed => "feed",
        Field::DeviceId => "device_id",
        Field::DeviceType => "device_type",
    }
}

fn words(person_types: &[PersonType]) -> Vec<&'static str> {
    person_types.iter().map(|it| it.as_str()).collect()
}
