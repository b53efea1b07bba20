//! `[route]`: where an event goes, by person type.

use std::time::Duration;

use boxbridge_event::{Lane, PersonType};
use serde_json::Value;

use crate::reader::Reader;
use crate::reader::form::Form;
use crate::reader::units::{duration, written};
use crate::values::template::{Field, Part, Template};
use crate::{SECOND, YEAR};

/// One route per person type, complete.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    pub(crate) fn read(read: &mut Reader) -> Routes {
        Routes(
            PersonType::ALL
                .iter()
                .map(|person_type| Route::read(read, *person_type))
                .collect(),
        )
    }

    pub fn of(&self, person_type: PersonType) -> &Route {
        #[expect(
            clippy::indexing_slicing,
            reason = "there is one for each type: they are made by `read` alone"
        )]
        &self.0[usize::from(person_type.number())]
    }

    pub fn iter(&self) -> impl Iterator<Item = (PersonType, &Route)> {
        PersonType::ALL.iter().copied().zip(&self.0)
    }

    /// The rules that join two settings of a route, or of two routes.
    pub(crate) fn check(&self, read: &mut Reader) {
        for (person_type, route) in self.iter() {
            route.check(read, person_type);
            self.check_late_topic(read, person_type, route);
        }
    }

    /// Late events must stay off every live topic, also off that of another type, and also where only some device's name makes the two the same.
    fn check_late_topic(&self, read: &mut Reader, person_type: PersonType, route: &Route) {
        let Some(late) = &route.mqtt_late_topic else {
            return;
        };

        let live = self.iter().find(|(other, route)| {
            let live = route.mqtt_topic.as_ref();
            live.is_some_and(|live| late.of(person_type).may_meet(&live.of(*other)))
        });

        if let Some((other, live)) = live {
            let (late_key, live_key) = (
                format!("route.{person_type}.mqtt_late_topic"),
                format!("route.{other}.mqtt_topic"),
            );
            let live = live.mqtt_topic.as_ref().map(Template::to_string);
            let problem = format!(
                "{late_key} ({late}) can be the same topic as {live_key} ({}): what is too late to act on must not reach a live topic",
                live.unwrap_or_default()
            );
            read.joint(&[&late_key, &live_key], problem);
        }
    }

    /// The setting of a route whose MQTT topic may be this one.
    pub(crate) fn meeting(&self, topic: &Template) -> Option<String> {
        self.iter().find_map(|(person_type, route)| {
            let topics = [
                ("mqtt_topic", &route.mqtt_topic),
                ("mqtt_late_topic", &route.mqtt_late_topic),
            ];
            let meets = |template: &Template| template.of(person_type).may_meet(topic);
            let (key, _) = topics
                .into_iter()
                .find(|(_, template)| template.as_ref().is_some_and(meets))?;
            Some(format!("route.{person_type}.{key}"))
        })
    }

    pub(crate) fn warnings(&self, has_kafka: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if has_kafka
            && self
                .iter()
                .any(|(_, route)| route.kafka_key.parts.is_empty())
        {
            warnings.push(
                "an empty kafka_key spreads one device over partitions: its order is lost"
                    .to_owned(),
            );
        }

        let uses_site = |template: &Template| template.parts.contains(&Part::Field(Field::Site));
        if self
            .iter()
            .any(|(_, route)| route.kafka_topic.as_ref().is_some_and(uses_site))
        {
            warnings.push(
                "kafka_topic uses {site}: topics of sites that only a URL names are made when their first event comes".to_owned(),
            );
        }
        warnings
    }
}

#[derive(Clone, Debug)]
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

impl Route {
    fn read(read: &mut Reader, person_type: PersonType) -> Route {
        let key = |name: &str| format!("route.{person_type}.{name}");
        let policies = [
            ("store", PicturePolicy::Store),
            ("inline", PicturePolicy::Inline),
            ("drop", PicturePolicy::Drop),
        ];

        Route {
            mqtt_topic: read.template(&key("mqtt_topic"), TOPIC_FIELDS, Template::mqtt_topic),
            mqtt_late_topic: read.template(
                &key("mqtt_late_topic"),
                TOPIC_FIELDS,
                Template::mqtt_topic,
            ),
            mqtt_expiry: Some(read.duration(&key("mqtt_expiry"), Duration::ZERO, YEAR))
                .filter(|expiry| !expiry.is_zero()),
            kafka_topic: read.template(
                &key("kafka_topic"),
                KAFKA_TOPIC_FIELDS,
                Template::kafka_topic,
            ),
            kafka_key: read
                .template(&key("kafka_key"), TOPIC_FIELDS, Template::parse)
                .unwrap_or_else(|| Template { parts: Vec::new() }),
            lane: read.word(
                &key("lane"),
                &[("normal", Lane::Normal), ("urgent", Lane::Urgent)],
            ),
            live_for: read.duration(&key("live_for"), SECOND, LIVE_MAX),
            format: read.word(
                &key("format"),
                &[("boxbridge", Format::Boxbridge), ("box", Format::Box)],
            ),
            pictures: read.word(&key("pictures"), &policies),
            picture_wait: picture_wait(read, &key("picture_wait")),
        }
    }

    fn check(&self, read: &mut Reader, person_type: PersonType) {
        let key = |name: &str| format!("route.{person_type}.{name}");

        if let PictureWait::For(wait) = self.picture_wait
            && wait >= self.live_for
        {
            let (wait, live_for) = (written(wait), written(self.live_for));
            let problem = format!(
                "route.{person_type}.picture_wait must be under its live_for ({live_for}), found {wait}: the event would wait until it is late"
            );
            read.joint(&[&key("picture_wait"), &key("live_for")], problem);
        }
    }
}

const LIVE_MAX: Duration = Duration::from_secs(86_400);

/// Under `live_for`, which [`Route::check`] holds it to.
fn picture_wait(read: &mut Reader, key: &str) -> PictureWait {
    let form = Form::Duration {
        least: Duration::ZERO,
        most: LIVE_MAX,
        or: Some("forever"),
    };
    read.parsed(key, form, PictureWait::Forever, |text| match text {
        "forever" => Ok(PictureWait::Forever),
        _ => duration(text)
            .map(PictureWait::For)
            .ok_or_else(|| "must be a duration such as 2s, or forever".to_owned()),
    })
}

/// Every `[route.<person_type>]` starts from `[route.default]`: completes them.
pub(crate) fn fill(settings: &mut Value) {
    let Some(Value::Object(routes)) = settings.get_mut("route") else {
        return;
    };
    let Some(Value::Object(default)) = routes.get("default").cloned() else {
        return;
    };

    for person_type in PersonType::ALL {
        let mut route = default.clone();
        if let Some(Value::Object(written)) = routes.remove(person_type.as_str()) {
            route.extend(written);
        }
        routes.insert(person_type.as_str().to_owned(), Value::Object(route));
    }
}
