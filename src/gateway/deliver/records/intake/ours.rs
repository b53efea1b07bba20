//! Whether what stands on Kafka is an event of ours: one that a gateway can have written, in the topic that its routing names.
//!
//! Promises: who may write to one topic reaches with it only what that topic stands for; what would cost the broker's connection, or hold
//! up a person type there, is foreign. Deliberately knows no signature: who may write there can invent a match.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

use crate::normalize;
use crate::route::Router;
use crate::route::attributes::OF_EVENT;
use crate::send::kafka::group::Read;
use boxbridge_config::{LIVE_MAX, is_site};
use boxbridge_event::{Event, EventId, Feed, PersonType, Revision, Timestamp};

const SCHEMA: &str = "boxbridge.match.v1";
/// A key is made of a site, a device and a few words.
const KEY_MAX: usize = 4 << 10;
/// The longest is `source`: a site and a device's id, each byte of it in three.
const VALUE_MAX: usize = 1 << 10;
/// A box may nest 120 deep, and an event has some levels around that.
const DEPTH_MAX: usize = 128;

/// The routers of the Kafka destination, of now and before a reload: what stands in the topics before is still read.
#[derive(Default)]
pub struct Sources(Mutex<Vec<Arc<Router>>>);

/// As much of an event as is asked before it is delivered.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    pub id: EventId,
    pub revision: Revision,
    pub feed: Feed,
    pub received_at: Timestamp,
    pub act_before: Option<Timestamp>,
    #[serde(borrow, default)]
    pub replay: Option<Cow<'a, str>>,
    pub person_type: PersonType,
    #[serde(borrow)]
    device: Device<'a>,
    #[serde(borrow)]
    origin: Origin<'a>,
}

/// What becomes a level of a topic.
#[derive(Deserialize)]
struct Device<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    site: Cow<'a, str>,
    #[serde(borrow)]
    gateway: Cow<'a, str>,
}

pub(super) type Attributes = Vec<(&'static str, String)>;

impl Sources {
    pub fn of(router: Arc<Router>) -> Sources {
        let sources = Sources::default();
        sources.add(router);
        sources
    }

    /// From now on it writes by this one.
    pub fn add(&self, router: Arc<Router>) {
        let mut routers = self.0.lock();
        routers.retain(|known| !known.has_kafka_topics_of(&router));
        routers.push(router);
    }

    fn bring(&self, head: &Head<'_>, topic: &str) -> bool {
        let routers = self.0.lock();
        let mut topics = routers
            .iter()
            .filter_map(|it| it.kafka_topic_of(head.person_type, head.feed, &head.origin.site));
        topics.any(|it| it == topic)
    }
}

/// Its head, and its attributes by the names that MQTT has for them.
pub(super) fn read<'r>(read: &'r Read<'_>, sources: &Sources) -> Option<(Head<'r>, Attributes)> {
    let payload = read.payload.filter(|_| read.key.len() <= KEY_MAX)?;
    let head: Head<'_> = serde_json::from_slice(payload).ok()?;
    if !head.is_possible() || !sources.bring(&head, &read.place.0) {
        return None;
    }

    let attributes = attributes(read);
    let is_ours = head.agrees_with(&attributes) && is_whole(payload);
    is_ours.then_some((head, attributes))
}

/// What is delivered later reads all of it.
fn is_whole(payload: &[u8]) -> bool {
    let text = std::str::from_utf8(payload);
    text.is_ok_and(|text| normalize::keeps_within(text, DEPTH_MAX))
        && serde_json::from_slice::<Event>(payload).is_ok()
}

impl Head<'_> {
    fn is_possible(&self) -> bool {
        self.schema == SCHEMA
            && is_site(&self.origin.site)
            && self.origin.gateway.len() <= VALUE_MAX
            && self.device.id.len() <= normalize::LEVEL_MAX
            && self.device.kind.len() <= normalize::LEVEL_MAX
            && self.act_before.is_none_or(|it| self.may_be_live_until(it))
    }

    fn may_be_live_until(&self, moment: Timestamp) -> bool {
        let live_for = u64::try_from(moment.since(self.received_at)).unwrap_or(0);
        Duration::from_millis(live_for) <= LIVE_MAX
    }

    /// A subscriber may go by either.
    fn agrees_with(&self, attributes: &Attributes) -> bool {
        attributes.iter().all(|(name, value)| match *name {
            "subject" | "persontype" => value == self.person_type.as_str(),
            "site" => *value == *self.origin.site,
            _ => true,
        }) && OF_EVENT.iter().all(|known| {
            let mut said = attributes.iter().filter(|(name, _)| *name == known.name);
            known
                .constant()
                .is_none_or(|is| said.all(|(_, value)| value == is))
        })
    }
}

/// Those of the contract, the first of each name. One that no gateway writes is left out.
fn attributes(read: &Read<'_>) -> Attributes {
    let mut found = Attributes::new();
    for (name, value) in &read.attributes {
        let known = OF_EVENT.iter().find(|attribute| attribute.name == *name);
        let is_legal = value.len() <= VALUE_MAX && value.bytes().all(|it| it.is_ascii_graphic());
        if let Some(known) = known.filter(|_| is_legal)
            && !found.iter().any(|(name, _)| *name == known.name)
        {
            found.push((known.name, (*value).to_owned()));
        }
    }
    found
}
