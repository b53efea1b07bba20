//! What a subscriber received, as far as it matters for the verdict; and the lines of the file that keeps it.
//!
//! Promises: a message that is not simulate's is only counted, nothing of it is kept: on a site, real people pass through the
//! same topics. Deliberately lenient: a field that is not there or not what it should be is `None`, and the judge says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::destination::Stream;
use super::rules::{BusRules, Variables};
use crate::simulate::Marker;
use boxbridge_event::{EventId, Feed, PersonType, PictureKind, PictureState, Revision, Timestamp};

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// From here on the bus of this name was listened to: a message that is not in the recording did not come.
    Listening(String),
    /// The subscriber's session was lost: a missing message may be the subscriber's fault.
    Gap(String),
    /// The bus is out of reach: what it has for us comes later.
    Away(String),
    /// It is listened to again.
    Back(String),
    Arrival(Arrival),
    /// A message that is not simulate's.
    Foreign(String),
}

/// One received message that carries a marker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The name of the destination that sent it.
    pub bus: String,
    pub topic: String,
    pub stream: Stream,
    pub arrived_at: Timestamp,
    /// MQTT: the broker had kept it for new subscribers, which no event may be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retained: bool,
    pub marker: Marker,
    /// `None` where the route sends the vendor's own shape, which is not judged beyond its arrival.
    pub event: Option<Delivered>,
}

/// The fields of an event that the ledger knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    pub id: Option<EventId>,
    pub revision: Option<Revision>,
    pub feed: Option<Feed>,
    pub device: Option<String>,
    pub person_type: Option<PersonType>,
    pub identity: Option<String>,
    pub score: Option<f64>,
    pub occurred_at: Option<Timestamp>,
    pub act_before: Option<Timestamp>,
    /// Whether it is marked as a replay.
    pub replay: bool,
    pub pictures: BTreeMap<PictureKind, DeliveredPicture>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveredPicture {
    #[serde(default, deserialize_with = "lenient")]
    pub key: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub sha256: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub bytes: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub stored: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<PictureState>,
}

/// The message's fields, borrowed from nothing: pictures that travel inline are stepped over.
#[derive(Deserialize)]
struct Payload {
    #[serde(default, deserialize_with = "lenient")]
    schema: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<EventId>,
    #[serde(default, deserialize_with = "lenient")]
    revision: Option<Revision>,
    #[serde(default, deserialize_with = "lenient")]
    feed: Option<Feed>,
    #[serde(default, deserialize_with = "lenient")]
    occurred_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient")]
    act_before: Option<Timestamp>,
    #[serde(default)]
    replay: Value,
    #[serde(default, deserialize_with = "lenient")]
    person_type: Option<PersonType>,
    #[serde(default)]
    identity: Value,
    #[serde(default, rename = "match")]
    matched: Value,
    #[serde(default)]
    device: Value,
    #[serde(default)]
    origin: Value,
    #[serde(default, deserialize_with = "lenient")]
    pictures: Option<BTreeMap<PictureKind, Option<DeliveredPicture>>>,
    #[serde(default)]
    extra: Value,
    /// The vendor's own shape keeps the marker here.
    #[serde(default)]
    ext_data: Value,
    #[serde(default)]
    simulate_id: Value,
}

impl Recorded {
    /// What a message on the bus of this name comes to.
    pub fn read(
        bus: &str,
        topic: &str,
        payload: &[u8],
        retained: bool,
        rules: &BusRules,
    ) -> Recorded {
        let arrived_at = Timestamp::now();
        let read: Option<Payload> = serde_json::from_slice(payload).ok();
        let ours = read.and_then(|payload| Some((payload.marker()?, payload)));
        let Some((marker, payload)) = ours else {
            return Recorded::Foreign(bus.to_owned());
        };

        let stream = rules.stream(topic, &payload.variables());
        let event = payload.schema.is_some().then(|| payload.into_delivered());
        Recorded::Arrival(Arrival {
            bus: bus.to_owned(),
            topic: topic.to_owned(),
            stream,
            arrived_at,
            retained,
            marker,
            event,
        })
    }

    /// The name of the bus that it was recorded on.
    pub fn bus(&self) -> &str {
        match self {
            Recorded::Listening(bus)
            | Recorded::Gap(bus)
            | Recorded::Away(bus)
            | Recorded::Back(bus)
            | Recorded::Foreign(bus) => bus,
            Recorded::Arrival(arrival) => &arrival.bus,
        }
    }
}

impl Arrival {
    pub fn is_replay(&self) -> bool {
        self.event.as_ref().is_some_and(|event| event.replay)
    }
}

impl Payload {
    /// Where the gateway's shape carries it, and where the vendor's own does.
    fn marker(&self) -> Option<Marker> {
        let places = [
            member(member(&self.extra, "ext_data"), "simulate_id"),
            member(&self.extra, "simulate_id"),
            member(&self.ext_data, "simulate_id"),
            &self.simulate_id,
        ];
        places
            .iter()
            .filter_map(|place| place.as_str())
            .find_map(|text| text.parse().ok())
    }

    fn variables(&self) -> Variables {
        Variables {
            site: text(&self.origin, "site").unwrap_or_default(),
            gateway: text(&self.origin, "gateway").unwrap_or_default(),
            feed: self.feed.map(|feed| feed.to_string()).unwrap_or_default(),
            person_type: self.person_type,
            device_id: text(&self.device, "id").unwrap_or_default(),
            device_type: text(&self.device, "type").unwrap_or_default(),
        }
    }

    fn into_delivered(self) -> Delivered {
        let pictures = self.pictures.unwrap_or_default().into_iter();
        let pictures = pictures.filter_map(|(kind, picture)| Some((kind, picture?)));

        Delivered {
            id: self.id,
            revision: self.revision,
            feed: self.feed,
            device: text(&self.device, "id"),
            person_type: self.person_type,
            identity: text(&self.identity, "id"),
            score: member(&self.matched, "score").as_f64(),
            occurred_at: self.occurred_at,
            act_before: self.act_before,
            replay: !self.replay.is_null(),
            pictures: pictures.collect(),
        }
    }
}

/// A member of an object; `null` where there is none.
fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

fn text(object: &Value, name: &str) -> Option<String> {
    member(object, name).as_str().map(str::to_owned)
}

/// The value, or `None` where something else stands.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reconcile::Rules;
    use boxbridge_config::{Config, Layers};

    fn read(payload: &Value) -> Recorded {
        let rules = Rules::of(&Config::load(&Layers::default()).unwrap());
        Recorded::read(
            "mqtt",
            "boxbridge/lobby/events/vip/192.168.1.7",
            payload.to_string().as_bytes(),
            false,
            rules.bus("mqtt").unwrap(),
        )
    }

    fn event() -> Value {
        json!({"schema": "boxbridge.match.v1", "person_type": "vip", "identity": {"id": "17", "name": "小明"},
            "device": {"id": "192.168.1.7", "type": "gate"}, "origin": {"site": "lobby"}, "replay": null,
            "pictures": {"scene": {"key": "a", "bytes": 5, "stored": true, "base64": "AAAA"}, "face": null},
            "extra": {"ext_data": {"simulate_id": "0000abcd-7"}}})
    }

    #[test]
    fn of_a_real_persons_event_nothing_is_kept() {
        let mut real = event();
        real["extra"] = json!({});
        for message in [real, json!({"status": "online"}), json!("no event")] {
            assert_eq!(read(&message), Recorded::Foreign("mqtt".to_owned()));
        }
    }

    #[test]
    fn an_event_is_read_back_from_a_recording_as_it_was_received() {
        let line = read(&event());
        let Recorded::Arrival(arrival) = &line else {
            panic!("{line:?}")
        };
        assert_eq!((arrival.marker.number, arrival.stream), (7, Stream::Live));
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains("小明") && !text.contains("AAAA"), "{text}");
        assert_eq!(serde_json::from_str::<Recorded>(&text).unwrap(), line);
    }

    #[test]
    fn a_field_that_is_not_what_it_should_be_is_missing_and_the_event_still_arrived() {
        let mut broken = event();
        broken["id"] = json!(7);
        broken["person_type"] = json!("boss");
        broken["pictures"]["scene"]["bytes"] = json!("many");
        let Recorded::Arrival(arrival) = read(&broken) else {
            panic!()
        };
        let delivered = arrival.event.unwrap();
        assert_eq!((delivered.id, delivered.person_type), (None, None));
        assert_eq!(delivered.pictures[&PictureKind::Scene].bytes, None);
        assert_eq!(delivered.pictures[&PictureKind::Scene].stored, Some(true));
    }

    #[test]
    fn the_vendors_own_shape_arrives_without_being_judged_further() {
        let vendor = json!({"identity_id": "17", "ext_data": {"simulate_id": "0000abcd-7", "person_type": 5}});
        let Recorded::Arrival(arrival) = read(&vendor) else {
            panic!()
        };
        assert_eq!((arrival.event, arrival.stream), (None, Stream::Live));
    }
}
