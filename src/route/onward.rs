//! A message that went over Kafka → the same for MQTT: what is in it passes as it is, where it goes is decided now.
//!
//! Promises: pure; live only while one may act on it by the event's own word, and only if it reached Kafka in time, too. Deliberately changes
//! neither payload nor attributes: they say what they said.

use bytes::Bytes;

use super::{CLOCK_STEP_MS, Router, Sending, Still, kafka_topic, left_of, topic};
use boxbridge_config::{Field, Part, Routes, Template};
use boxbridge_event::{Carried, Event, Feed, Lane, Message, PersonType};

impl Router {
    /// `None` if this type has no route there, or no late topic for what is late. `may_be_live`: this gateway's clock is known to be right.
    pub fn onward(
        &self,
        event: &Event,
        (carried, payload): (&Carried, Bytes),
        sending: &Sending<'_>,
        may_be_live: bool,
    ) -> Option<Message> {
        let route = self.routes.of(event.person_type);
        let is_live = may_be_live
            && matches!(self.still(event, sending), Still::Live(_))
            && self.reached_kafka_in_time(event, carried, sending);
        let template = match is_live {
            true => &route.mqtt_topic,
            false => &route.mqtt_late_topic,
        };

        Some(Message {
            topic: topic::render(template.as_ref()?, event),
            key: carried.key.clone(),
            attributes: carried.attributes.clone(),
            payload,
            timestamp: carried.timestamp,
            expires_in: route.mqtt_expiry.map(|expiry| left_of(expiry, sending.age)),
        })
    }

    /// Whether it is there no longer than one may act on it, and not from a time to come, but for what clocks differ.
    fn reached_kafka_in_time(
        &self,
        event: &Event,
        carried: &Carried,
        sending: &Sending<'_>,
    ) -> bool {
        let act_before = self.act_before(event, sending.replay);
        let live_for = act_before.map_or(0, |moment| moment.since(event.received_at));
        let since = sending.now.since(carried.timestamp);
        (-CLOCK_STEP_MS..=live_for.saturating_add(CLOCK_STEP_MS)).contains(&since)
    }

    /// The lane of an event that went over Kafka: the event alone says so, never a clock.
    pub fn lane_onward(&self, person_type: PersonType, is_live: bool) -> Lane {
        match is_live {
            true => self.routes.of(person_type).lane,
            false => Lane::Normal,
        }
    }

    /// Where an event of this type, feed and site goes on Kafka.
    pub fn kafka_topic_of(
        &self,
        person_type: PersonType,
        feed: Feed,
        site: &str,
    ) -> Option<String> {
        let template = self.routes.of(person_type).kafka_topic.as_ref()?;
        Some(kafka_topic(template, site, person_type, feed))
    }

    /// Whether every type goes to the same topics on Kafka as by the other.
    pub fn has_kafka_topics_of(&self, other: &Router) -> bool {
        let mut routes = self.routes.iter();
        routes.all(|(person_type, route)| {
            route.kafka_topic == other.routes.of(person_type).kafka_topic
        })
    }
}

/// The topics on Kafka that an event of such a type can stand in: what stands around the site, in pieces.
pub fn kafka_topics_of(routes: &Routes, is_such: impl Fn(PersonType) -> bool) -> Vec<Vec<String>> {
    let such = routes
        .iter()
        .filter(|(person_type, _)| is_such(*person_type));
    let mut topics: Vec<_> = such
        .filter_map(|(person_type, route)| Some((person_type, route.kafka_topic.as_ref()?)))
        .flat_map(|(person_type, template)| {
            Feed::ALL
                .iter()
                .map(move |feed| around_site(template, person_type, *feed))
        })
        .collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

fn around_site(template: &Template, person_type: PersonType, feed: Feed) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for part in &template.parts {
        let text = match part {
            Part::Field(Field::Site) => {
                pieces.push(String::new());
                continue;
            }
            Part::Literal(literal) => literal.as_str(),
            Part::Field(Field::Feed) => feed.as_str(),
            Part::Field(_) => person_type.as_str(),
        };
        if let Some(last) = pieces.last_mut() {
            last.push_str(text);
        }
    }
    pieces
}
