//! `[route]`: where an event goes, by person type, and by destination where one has routes of its own.
//!
//! `[route.default]` < `[route.<person_type>]` < `[route.<destination>.default]` < `[route.<destination>.<person_type>]`. A destination takes
//! the keys of its kind. Lane, life and wait belong to the event: they stand in the first two only.

use std::time::Duration;

use boxbridge_event::{ByType, Lane, PersonType};

use crate::layers::routes::keys;
use crate::reader::Reader;
use crate::reader::form::Form;
use crate::reader::units::{SECOND, YEAR};
use crate::reader::units::{duration, written};
use crate::values::kind::KindName;
use crate::values::template::{Field, Part, Template};

mod redaction;

pub use redaction::{IdentityShown, Redaction};

/// One route per person type, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Routes(ByType<Route>);

impl Routes {
    pub(crate) fn read(read: &mut Reader) -> Routes {
        let of = |person_type| Route::read(read, &format!("route.{person_type}"));
        Routes(ByType::new(of))
    }

    /// The same with what `[route.<destination>…]` says.
    pub(crate) fn of_destination(&self, read: &mut Reader, name: &str, kind: KindName) -> Routes {
        let of = |person_type| {
            let mut route = self.of(person_type).clone();
            route.redaction = Redaction::default();
            route.read_keys(read, &format!("route.{name}.{person_type}"), keys(kind));
            route
        };
        Routes(ByType::new(of))
    }

    pub fn of(&self, person_type: PersonType) -> &Route {
        self.0.of(person_type)
    }

    pub fn iter(&self) -> impl Iterator<Item = (PersonType, &Route)> {
        self.0.iter()
    }

    /// The same with each picture in the message, which our own shape alone has a place for.
    pub fn with_pictures(&self) -> Routes {
        Routes(ByType::new(|person_type| Route {
            format: Format::Boxbridge,
            pictures: PicturePolicy::Inline,
            ..self.of(person_type).clone()
        }))
    }

    /// The rules that join two settings of a route, or of two routes.
    pub(crate) fn check(&self, read: &mut Reader) {
        for (person_type, route) in self.iter() {
            route.check_wait(read, &format!("route.{person_type}"));
        }
        self.check_late_topics(read, "route", None);
    }

    /// The same for a destination, of which `base` is what it inherits, and `store` what the store takes that references mean.
    pub(crate) fn check_destination(
        &self,
        read: &mut Reader,
        name: &str,
        base: &Routes,
        store: &Routes,
    ) {
        self.check_late_topics(read, &format!("route.{name}"), Some(base));

        for (person_type, route) in self.iter() {
            let is_stored = store.of(person_type).pictures != PicturePolicy::Drop;
            if route.pictures == PicturePolicy::Drop || is_stored {
                continue;
            }

            let own = format!("route.{name}.{person_type}.pictures");
            let stored = format!("route.store.{person_type}.pictures");
            let problem = format!(
                "{own} wants what {stored} drops: its references would lead nowhere, set that one to \"store\""
            );
            read.joint(&[&own, &stored], problem);
        }
    }

    /// Late events must stay off every live topic, also off that of another type, and also where only some device's name makes the two the same.
    /// What is wrong in `base` already is said there.
    fn check_late_topics(&self, read: &mut Reader, section: &str, base: Option<&Routes>) {
        for (person_type, route) in self.iter() {
            let Some(late) = &route.mqtt_late_topic else {
                continue;
            };
            let Some((other, live)) = self.live_topic_of(person_type, late, base) else {
                continue;
            };

            let late_key = format!("{section}.{person_type}.mqtt_late_topic");
            let live_key = format!("{section}.{other}.mqtt_topic");
            let problem = format!(
                "{late_key} ({late}) can be the same topic as {live_key} ({live}): what is too late to act on must not reach a live topic"
            );
            read.joint(&[&late_key, &live_key], problem);
        }
    }

    /// A live topic that can be the same as this type's late one, with its person type. Pairs that `base` has as well are left out.
    fn live_topic_of(
        &self,
        person_type: PersonType,
        late: &Template,
        base: Option<&Routes>,
    ) -> Option<(PersonType, &Template)> {
        let is_inherited = |other: PersonType| {
            base.is_some_and(|base| {
                let (own, others) = (base.of(person_type), base.of(other));
                own.mqtt_late_topic.as_ref() == Some(late)
                    && others.mqtt_topic == self.of(other).mqtt_topic
            })
        };

        let late = late.of(person_type);
        self.iter()
            .filter(|(other, _)| !is_inherited(*other))
            .filter_map(|(other, route)| Some((other, route.mqtt_topic.as_ref()?)))
            .find(|(other, live)| late.may_meet(&live.of(*other)))
    }

    /// The first route that can publish to this topic: its person type and setting.
    pub(crate) fn meeting(&self, topic: &Template) -> Option<(PersonType, &'static str)> {
        self.iter().find_map(|(person_type, route)| {
            let topics = [
                ("mqtt_topic", &route.mqtt_topic),
                ("mqtt_late_topic", &route.mqtt_late_topic),
            ];
            let meets = |template: &Template| template.of(person_type).may_meet(topic);
            let (key, _) = topics
                .into_iter()
                .find(|(_, template)| template.as_ref().is_some_and(meets))?;
            Some((person_type, key))
        })
    }

    /// Of a Kafka destination.
    pub(crate) fn warnings_of_kafka(&self) -> Vec<String> {
        let any = |is_odd: fn(&Route) -> bool| self.iter().any(|(_, route)| is_odd(route));
        let mut warnings = Vec::new();
        if any(|route| route.kafka_key.parts.is_empty()) {
            let warning =
                "an empty kafka_key spreads one device over partitions: its order is lost";
            warnings.push(warning.to_owned());
        }

        if any(Route::has_site_in_kafka_topic) {
            let warning = "kafka_topic uses {site}: topics of sites that only a URL names are made when their first event comes";
            warnings.push(warning.to_owned());
        }
        warnings
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// `None` where this type does not go there, as for the other two.
    pub mqtt_topic: Option<Template>,
    pub mqtt_late_topic: Option<Template>,
    pub mqtt_expiry: Option<Duration>,
    pub kafka_topic: Option<Template>,
    pub kafka_key: Template,
    pub lane: Lane,
    pub live_for: Duration,
    pub format: Format,
    pub pictures: PicturePolicy,
    /// What is left out of events for a bus.
    pub redaction: Redaction,
    pub picture_wait: PictureWait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Boxbridge,
    /// The vendor's own shape.
    Box,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturePolicy {
    /// Stored, and referenced.
    Store,
    /// Stored, referenced, and in the message as base64.
    Inline,
    /// Neither.
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureWait {
    /// Counted from the append.
    For(Duration),
    Forever,
}

const TOPIC_FIELDS: &[Field] = &[
    Field::Site,
    Field::Gateway,
    Field::PersonType,
    Field::Feed,
    Field::DeviceId,
    Field::DeviceType,
];
const KAFKA_TOPIC_FIELDS: &[Field] = &[Field::PersonType, Field::Site, Field::Feed];

const ALL_KEYS: &[&str] = &[
    "mqtt_topic",
    "mqtt_late_topic",
    "mqtt_expiry",
    "kafka_topic",
    "kafka_key",
    "lane",
    "live_for",
    "format",
    "pictures",
    "redact",
    "pseudonym",
    "picture_wait",
];

impl Route {
    fn read(read: &mut Reader, section: &str) -> Route {
        let mut route = Route {
            mqtt_topic: None,
            mqtt_late_topic: None,
            mqtt_expiry: None,
            kafka_topic: None,
            kafka_key: Template { parts: Vec::new() },
            lane: Lane::Normal,
            live_for: SECOND,
            format: Format::Boxbridge,
            pictures: PicturePolicy::Store,
            redaction: Redaction::default(),
            picture_wait: PictureWait::Forever,
        };

        route.read_keys(read, section, ALL_KEYS);
        route
    }

    /// Takes these of a section that has all of them.
    fn read_keys(&mut self, read: &mut Reader, section: &str, keys: &[&str]) {
        for name in keys {
            self.read_key(read, name, &format!("{section}.{name}"));
        }
    }

    fn read_key(&mut self, read: &mut Reader, name: &str, key: &str) {
        match name {
            "mqtt_topic" => self.mqtt_topic = mqtt_topic(read, key),
            "mqtt_late_topic" => self.mqtt_late_topic = mqtt_topic(read, key),
            "mqtt_expiry" => {
                let expiry = read.live().duration(key, Duration::ZERO, YEAR);
                self.mqtt_expiry = Some(expiry).filter(|expiry| !expiry.is_zero());
            }
            "kafka_topic" => {
                self.kafka_topic =
                    read.live()
                        .template(key, KAFKA_TOPIC_FIELDS, Template::kafka_topic);
            }
            "kafka_key" => {
                let template = read.live().template(key, TOPIC_FIELDS, Template::parse);
                self.kafka_key = template.unwrap_or_else(|| Template { parts: Vec::new() });
            }
            "lane" => self.lane = read.live().word(key, &LANES),
            "live_for" => self.live_for = read.live().duration(key, SECOND, LIVE_MAX),
            "format" => self.format = read.live().word(key, &FORMATS),
            "pictures" => self.pictures = read.live().word(key, &POLICIES),
            "redact" => self.redaction.read_parts(read, key),
            "pseudonym" => self.redaction.read_pseudonym(read, key),
            _ => self.picture_wait = picture_wait(read, key),
        }
    }

    /// Whether messages by this route tell nothing that messages by another leave out.
    pub fn tells_no_more_than(&self, other: &Route) -> bool {
        let shows_pictures = |route: &Route| route.pictures != PicturePolicy::Drop;
        self.redaction.covers(&other.redaction) && (shows_pictures(other) || !shows_pictures(self))
    }

    /// Whether messages by this route tell all that came.
    pub fn tells_all(&self) -> bool {
        self.redaction.is_none() && self.pictures != PicturePolicy::Drop
    }

    fn has_site_in_kafka_topic(&self) -> bool {
        let topic = self.kafka_topic.as_ref();
        topic.is_some_and(|topic| topic.parts.contains(&Part::Field(Field::Site)))
    }

    fn check_wait(&self, read: &mut Reader, section: &str) {
        let key = |name: &str| format!("{section}.{name}");
        if let PictureWait::For(wait) = self.picture_wait
            && wait >= self.live_for
        {
            let (wait, live_for) = (written(wait), written(self.live_for));
            let problem = format!(
                "{section}.picture_wait must be under its live_for ({live_for}), found {wait}: the event would wait until it is late"
            );
            read.joint(&[&key("picture_wait"), &key("live_for")], problem);
        }
    }
}

fn mqtt_topic(read: &mut Reader, key: &str) -> Option<Template> {
    read.live()
        .template(key, TOPIC_FIELDS, Template::mqtt_topic)
}

const LANES: [(&str, Lane); 2] = [("normal", Lane::Normal), ("urgent", Lane::Urgent)];
const FORMATS: [(&str, Format); 2] = [("boxbridge", Format::Boxbridge), ("box", Format::Box)];
const POLICIES: [(&str, PicturePolicy); 3] = [
    ("store", PicturePolicy::Store),
    ("inline", PicturePolicy::Inline),
    ("drop", PicturePolicy::Drop),
];

/// The longest `live_for`.
pub const LIVE_MAX: Duration = Duration::from_secs(86_400);

/// Under `live_for`, which [`Route::check`] holds it to.
fn picture_wait(read: &mut Reader, key: &str) -> PictureWait {
    let form = Form::Duration {
        least: Duration::ZERO,
        most: LIVE_MAX,
        or: Some("forever"),
    };
    read.live()
        .parsed(key, form, PictureWait::Forever, |text| match text {
            "forever" => Ok(PictureWait::Forever),
            _ => duration(text)
                .map(PictureWait::For)
                .ok_or_else(|| "must be a duration such as 2s, or forever".to_owned()),
        })
}
