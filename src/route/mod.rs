//! Record → the messages that leave, as of now.
//!
//! Promises: pure (no clock, no IO, no async; the moment comes with [`Sending`]), so a record that is sent twice at one moment makes the
//! same bytes twice. Everything that depends on that moment is made here and nowhere else. An event that is too late to act on gets no
//! live MQTT topic. Deliberately knows no bus: a [`Message`] has a topic, and the session says whether it fits.
//!
//! What is told of a device is no record: `device_status` makes its message, and `discovery` those that tell Home Assistant of a site's alerts.
//! `pictures_told` makes the second word on an event's pictures.
//!
//! `redaction` leaves out of an event what its route does not want to leave. Then `topic` fills in where a message goes, `payload` and
//! `attributes` say what is in it, and `picture_locations` where its pictures lie.
//!
//! Act or record: a real-time event may be acted on until its route's `live_for` after it was received, whatever its own clock says. An
//! event from the platform may be acted on only if it occurred within `live_for`, history and replays never. Only an event that may be
//! acted on is urgent. This is decided once, when the event is accepted, and kept with it: a changed route never makes a backlog live.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use boxbridge_config::{Field, Format, Part, PicturePolicy, PictureWait, Route, Routes, Template};
use boxbridge_event::document::{Meaning, Table};
use boxbridge_event::{
    Act, ClockSource, Dialect, Event, EventId, Feed, Lane, Message, Object, PersonType, Picture,
    PictureKind, PictureVerdict, Sequence, Timestamp,
};

pub mod attributes;
pub mod device_status;
pub mod discovery;
mod onward;
mod payload;
mod picture_locations;
pub mod pictures_told;
mod redaction;
mod topic;

pub use onward::kafka_topics_of;
pub use picture_locations::{PictureLocations, Through};
pub use redaction::RedactKey;
pub use topic::gateway_topic;

use payload::{Moment, SequenceInEpoch};

/// The contract of a message's payload, as JSON Schema.
pub const EVENT_SCHEMA: &str = include_str!("event.schema.json");

/// A backward step up to this is ordinary correction; a larger one means that the clock was reset.
const CLOCK_STEP_MS: i64 = 5_000;

#[derive(Clone, Debug)]
pub struct Router {
    routes: Routes,
    places: PictureLocations,
    epoch: String,
    tables: Tables,
    redact_key: RedactKey,
}

/// Where the fields of a dialect's document stand.
pub type Tables = fn(Dialect) -> &'static Table;

/// The moment of sending.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    pub sequence: Sequence,
    /// Of the log that the sequence counts in, where that is not the one that is open.
    pub epoch: Option<&'a str>,
    /// The record's lane.
    pub lane: Lane,
    pub now: Timestamp,
    /// At least how long ago it was received. Does not depend on what the clock said then or says now.
    pub age: Duration,
    /// The replay's id, if this is one.
    pub replay: Option<&'a str>,
    pub pictures: PicturesNow,
    /// Links to its pictures, where they lie in the store of now.
    pub links: &'a [(PictureKind, String)],
    /// The record's pictures; only read where [`Router::wants_inline`].
    pub inline: &'a [Picture],
}

impl Sending<'_> {
    /// Its place in the log that is open; `None` if it is of another.
    pub fn record_in_log(&self) -> Option<Sequence> {
        self.epoch.is_none().then_some(self.sequence)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturesNow {
    /// The store has answered for each of them.
    Settled(PictureVerdict),
    /// The store has not answered, and `picture_wait` is over.
    Pending,
}

impl Router {
    /// `epoch` is the log's: sequences count within it. `tables` rebuilds the vendor's own document. `redact_key` makes stand-ins for ids.
    pub fn new(
        routes: &Routes,
        places: PictureLocations,
        epoch: &str,
        tables: Tables,
        redact_key: RedactKey,
    ) -> Router {
        Router {
            routes: routes.clone(),
            places,
            epoch: epoch.to_owned(),
            tables,
            redact_key,
        }
    }

    /// The lane of an event that arrives: urgent only if its route says so and one may still act on it.
    pub fn lane(&self, event: &Event) -> Lane {
        match self.act_before(event, None) {
            Some(_) => self.routes.of(event.person_type).lane,
            None => Lane::Normal,
        }
    }

    /// Until when one may act on an event that arrives.
    pub fn decide(&self, event: &Event) -> Act {
        let live_for = self.routes.of(event.person_type).live_for;
        let is_live = match event.feed {
            Feed::Realtime => true,
            Feed::Platform => occurred_within(event, live_for),
            Feed::History => false,
        };
        if is_live {
            Act::Before(event.received_at.plus(live_for))
        } else {
            Act::Never
        }
    }

    /// Until when one may act on an event that is sent; `None`: it is for the record only.
    pub fn act_before(&self, event: &Event, replay: Option<&str>) -> Option<Timestamp> {
        let act = match event.act_before {
            // Written by a version that did not decide.
            Act::Undecided => self.decide(event),
            decided => decided,
        };

        match act {
            Act::Before(moment) if replay.is_none() => Some(moment),
            _ => None,
        }
    }

    /// The message for MQTT; `None` if this type has no route there, or no late topic for an event that is late.
    pub fn mqtt(&self, event: &Event, sending: &Sending<'_>) -> Option<Message> {
        let route = self.routes.of(event.person_type);
        let event = &*self.redacted(event, route);
        let is_live = matches!(self.still(event, sending), Still::Live(_));
        let template = if is_live {
            &route.mqtt_topic
        } else {
            &route.mqtt_late_topic
        };
        let topic = topic::render(template.as_ref()?, event);

        let expires_in = route.mqtt_expiry.map(|expiry| left_of(expiry, sending.age));
        Some(Message {
            expires_in,
            ..self.message(event, sending, route, topic, String::new())
        })
    }

    /// The message for Kafka; `None` if this type has no route there.
    pub fn kafka(&self, event: &Event, sending: &Sending<'_>) -> Option<Message> {
        let topic = self.routes.of(event.person_type).kafka_topic.as_ref()?;
        Some(self.keyed(event, sending, Some(topic)))
    }

    /// The message for a topic that takes what was set aside, of whatever kind its destination is.
    pub fn set_aside(&self, event: &Event, sending: &Sending<'_>) -> Message {
        self.keyed(event, sending, None)
    }

    fn keyed(&self, event: &Event, sending: &Sending<'_>, topic: Option<&Template>) -> Message {
        let route = self.routes.of(event.person_type);
        let event = &*self.redacted(event, route);
        let topic = topic.map_or_else(String::new, |topic| topic::render(topic, event));
        let key = topic::render(&route.kafka_key, event);
        self.message(event, sending, route, topic, key)
    }

    /// What stands for an event's id in messages that must not tell whose it is.
    pub fn stand_in(&self, id: EventId) -> EventId {
        self.redact_key.id(id)
    }

    /// The event in our own shape, whatever its route says: for people to look at. Without its pictures' bytes.
    pub fn document(&self, event: &Event, sending: &Sending<'_>) -> Bytes {
        let route = self.routes.of(event.person_type);
        let moment = Moment {
            inline: None,
            ..self.moment(event, sending, route)
        };
        payload::boxbridge(event, moment)
    }

    /// The objects for the picture store; none if the route drops pictures.
    pub fn objects(&self, event: &Event, pictures: Vec<Picture>) -> Vec<Object> {
        if self.routes.of(event.person_type).pictures == PicturePolicy::Drop {
            return Vec::new();
        }

        let object = |Picture { kind, bytes }| {
            let reference = event.pictures.get(kind)?;
            Some(Object {
                kind,
                key: reference.key.clone(),
                media_type: reference.media_type.clone(),
                bytes,
            })
        };
        pictures.into_iter().filter_map(object).collect()
    }

    /// Whether this event's pictures go to the store: it has some, and its route does not drop them.
    pub fn stores(&self, event: &Event) -> bool {
        self.routes.of(event.person_type).pictures != PicturePolicy::Drop
            && event.pictures.iter().next().is_some()
    }

    /// Whether a message about this event shows a picture that goes to the store.
    pub fn shows_pictures(&self, event: &Event) -> bool {
        let redaction = &self.routes.of(event.person_type).redaction;
        let mut kinds = event.pictures.iter().map(|(kind, _)| kind);
        self.stores(event) && kinds.any(|kind| !redaction.hides(Meaning::Picture(kind)))
    }

    /// Whether messages of this type tell nothing that another's leave out.
    pub fn tells_no_more_than(&self, other: &Router, person_type: PersonType) -> bool {
        let (own, others) = (self.routes.of(person_type), other.routes.of(person_type));
        own.tells_no_more_than(others)
    }

    /// Whether messages of every type tell all that came.
    pub fn tells_all(&self) -> bool {
        self.routes.iter().all(|(_, route)| route.tells_all())
    }

    /// The same with each picture in the message.
    pub fn with_pictures(&self) -> Router {
        Router {
            routes: self.routes.with_pictures(),
            ..self.clone()
        }
    }

    /// How long an event of this type waits for its pictures.
    pub fn picture_wait(&self, person_type: PersonType) -> PictureWait {
        self.routes.of(person_type).picture_wait
    }

    /// Whether messages of this type carry their pictures, so that [`Sending::inline`] must hold them.
    pub fn wants_inline(&self, person_type: PersonType) -> bool {
        self.routes.of(person_type).pictures == PicturePolicy::Inline
    }

    fn redacted<'e>(&self, event: &'e Event, route: &Route) -> Cow<'e, Event> {
        redaction::redacted(event, route, self.tables, &self.redact_key)
    }

    /// Whether one may still act on an event at the moment of sending.
    fn still(&self, event: &Event, sending: &Sending<'_>) -> Still {
        let Some(act_before) = self.act_before(event, sending.replay) else {
            return Still::Never;
        };
        if sending.now > act_before {
            return Still::Over(act_before);
        }

        // Nothing is sent before it is received: if it seems so, the clock went back, and nobody knows how late it is.
        let is_known = sending.now.since(event.received_at) >= -CLOCK_STEP_MS;
        // A clock that was ahead and was set back shows the same times again: then only the age tells that the moment is long over.
        let live_for =
            Duration::from_millis(u64::try_from(act_before.since(event.received_at)).unwrap_or(0));
        match is_known && sending.age <= live_for {
            true => Still::Live(act_before),
            false => Still::Never,
        }
    }

    fn message(
        &self,
        event: &Event,
        sending: &Sending<'_>,
        route: &Route,
        topic: String,
        key: String,
    ) -> Message {
        let moment = self.moment(event, sending, route);
        Message {
            topic,
            key,
            attributes: attributes::of(event, moment, route.format),
            payload: match route.format {
                Format::Boxbridge => payload::boxbridge(event, moment),
                Format::Box => payload::vendor((self.tables)(event.dialect), event, moment),
            },
            // The clock may have run ahead when the event came, and brokers refuse messages from the future.
            timestamp: event.received_at.min(sending.now),
            expires_in: None,
        }
    }

    fn moment<'m>(&'m self, event: &Event, sending: &Sending<'m>, route: &Route) -> Moment<'m> {
        let Sending { sequence, lane, .. } = *sending;
        // Where the store was before is known of the open log's records alone.
        let settled_as = sending.epoch.map_or(sequence, |_| Sequence(u64::MAX));
        let base = self.places.of(settled_as, lane, event.person_type);
        Moment {
            act_before: self.still(event, sending).said(),
            replay: sending.replay,
            sequence: SequenceInEpoch {
                epoch: sending.epoch.unwrap_or(&self.epoch),
                number: sequence.0,
            },
            base,
            links: match self.places.is_now(base) {
                true => sending.links,
                false => &[],
            },
            pictures: sending.pictures,
            is_dropped: route.pictures == PicturePolicy::Drop,
            inline: (route.pictures == PicturePolicy::Inline).then_some(sending.inline),
        }
    }
}

/// Whether one may still act on an event, and the moment that its message names.
enum Still {
    Live(Timestamp),
    /// A moment that has passed; the message may name it.
    Over(Timestamp),
    /// For the record only. The message names no moment: a consumer whose clock is behind would act on it.
    Never,
}

impl Still {
    fn said(&self) -> Option<Timestamp> {
        match self {
            Still::Live(act_before) | Still::Over(act_before) => Some(*act_before),
            Still::Never => None,
        }
    }
}

/// Every Kafka topic that an event of this site can go to.
pub fn kafka_topics(routes: &Routes, site: &str) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for (person_type, route) in routes.iter() {
        for feed in Feed::ALL {
            let template = route.kafka_topic.as_ref();
            topics.extend(template.map(|it| kafka_topic(it, site, person_type, *feed)));
        }
    }
    topics
}

/// A Kafka topic has only these fields.
fn kafka_topic(template: &Template, site: &str, person_type: PersonType, feed: Feed) -> String {
    let text = |part: &Part| match part {
        Part::Literal(literal) => literal.clone(),
        Part::Field(Field::Site) => site.to_owned(),
        Part::Field(Field::Feed) => feed.to_string(),
        Part::Field(_) => person_type.to_string(),
    };
    template.parts.iter().map(text).collect()
}

/// Whether an event from the platform is fresh. An event without a known time may be of any age, so it is not.
fn occurred_within(event: &Event, live_for: Duration) -> bool {
    let age = event.received_at.since(event.occurred_at).unsigned_abs();
    event.clock.from == ClockSource::Box && u128::from(age) <= live_for.as_millis()
}

/// The rest of a message's expiry, at least a second: a broker that is told zero may never deliver it.
fn left_of(expiry: Duration, age: Duration) -> Duration {
    expiry.saturating_sub(age).max(Duration::from_secs(1))
}
