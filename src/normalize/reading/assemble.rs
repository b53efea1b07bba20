//! Assembles the [`Event`] from the fields as sent. No field, whatever its value, refuses the event.
//!
//! Promises: each known field is normalized. If the normalized value does not give back the sent one, that is in `source`. Each oddity is
//! in `warnings`. The id comes last, since it rests on all the rest.

use serde_json::{Map, Value};

use super::digest;
use super::sent::SentDocument;
use crate::normalize::Context;
use crate::normalize::repair::notes::Notes;
use crate::normalize::value::field::{self, Person, Score, Text};
use boxbridge_config::{ScoreScale, is_site};
use boxbridge_event::document::{Field, Meaning, given_back};
use boxbridge_event::{
    Act, AsWritten, Clock, ClockSource, ContentDigest, Device, Event, EventId, Feed, Identity,
    Match, Origin, PersonType, Quality, Revision, Timestamp, WarningCode,
};

/// NTP keeps a clock within milliseconds; a clock that is off by more than this was never set.
const SKEW_MAX_MS: u64 = 5 * 60 * 1_000;
/// A longer text that becomes a level of a topic is cut, and gets a hash at its end: topics have limits.
pub const LEVEL_MAX: usize = 256;

/// The event, still without its revision; its content digest, of which the revision is made; and the box's document, without pictures.
pub(in crate::normalize) fn assemble(
    mut sent: SentDocument,
    feed: Feed,
    context: &Context<'_>,
) -> (Event, ContentDigest, Map<String, Value>) {
    let mut event = Assembly {
        sent: &mut sent,
        context,
    }
    .event(feed);
    settle(&mut sent, &mut event);

    event.extra = sent.extra.into();
    event.warnings = sent.warnings.into_vec();

    let (content, document) = digest::name(&mut event, sent.dialect);
    (event, content, document)
}

/// Fills `source` with the sent values that the event does not give back.
fn settle(sent: &mut SentDocument, event: &mut Event) {
    let mut source = std::mem::take(&mut sent.source);

    let values = std::mem::take(&mut sent.values);
    for (field, value) in sent.dialect.table.fields.iter().zip(values) {
        let key = field.source_key();
        if !source.contains_key(key)
            && let Some(as_sent) = as_sent(sent, event, field, value)
        {
            source.insert(key.to_owned(), as_sent);
        }
    }

    if let Some(instead) = sent.instead_of_inner.take() {
        let inner = source.entry(sent.dialect.table.inner);
        inner.or_insert(instead);
    }
    event.source = source.into();
}

/// What `source` says of a field; `None` if the event gives it back.
fn as_sent(
    sent: &mut SentDocument,
    event: &Event,
    field: &Field,
    value: Option<Value>,
) -> Option<Value> {
    if let Meaning::Picture(kind) = field.meaning
        && event.pictures.get(kind).is_some()
    {
        return None;
    }

    let null_is_absent = field.null_is_absent(event);
    match value {
        None => null_is_absent.then_some(Value::Null),
        Some(Value::Null) => {
            if null_is_absent {
                sent.keep(field.inner, field.name, Value::Null);
            }
            Some(Value::Null)
        }
        Some(value) => {
            let is_given_back = given_back(event, field.meaning).is_some_and(|it| it.is(&value));
            (!is_given_back).then_some(value)
        }
    }
}

/// One event in the making.
struct Assembly<'a, 'c> {
    sent: &'a mut SentDocument,
    context: &'a Context<'c>,
}

impl Assembly<'_, '_> {
    fn event(mut self, feed: Feed) -> Event {
        let received_at = self.context.source.received_at;
        let (occurred_at, clock) = self.clock(feed, received_at);
        Event {
            id: EventId([0; 16]),
            revision: Revision(0),
            feed,
            dialect: self.sent.dialect.word,
            occurred_at,
            received_at,
            act_before: Act::Undecided,
            person_type: self.person_type(),
            identity: Identity {
                id: self.text(Meaning::IdentityId),
                name: self.text(Meaning::IdentityName),
            },
            matched: Match {
                score: self.score(),
                group: self.group(),
            },
            device: self.device(),
            origin: self.origin(),
            clock,
            pictures: std::mem::take(&mut self.sent.pictures),
            quality: Quality {
                camera: self.quality(Meaning::CameraQuality),
                box_: self.quality(Meaning::BoxQuality),
            }
            .into(),
            source: AsWritten::default(),
            extra: AsWritten::default(),
            warnings: Vec::new(),
        }
    }

    fn clock(&mut self, feed: Feed, received_at: Timestamp) -> (Timestamp, Clock) {
        let (field, value) = self.sent.get(Meaning::OccurredAt);
        let is_text = matches!(value, Some(Value::String(_)));
        let Some(moment) = field::moment(value) else {
            self.sent.warn(WarningCode::TimestampInvalid, field);
            let from = ClockSource::Gateway;
            let skew_ms = None;
            return (received_at, Clock { from, skew_ms });
        };

        if is_text {
            self.sent.warn(WarningCode::TypeUnexpected, field);
        }
        if !moment.is_milliseconds {
            self.sent.warn(WarningCode::TimestampUnit, field);
        }

        let occurred_at = Timestamp(moment.milliseconds);
        let skew_ms = (feed == Feed::Realtime).then(|| received_at.since(occurred_at));
        if skew_ms.is_some_and(|skew_ms| skew_ms.unsigned_abs() > SKEW_MAX_MS) {
            self.sent.warn(WarningCode::ClockSkewed, field);
        }

        let from = ClockSource::Box;
        (occurred_at, Clock { from, skew_ms })
    }

    fn person_type(&mut self) -> PersonType {
        let (field, value) = self.sent.get(Meaning::PersonType);
        let person = field::person(value, self.sent.dialect.persons);
        // Nobody knows which of two different types counts, so then the type is unknown.
        let is_agreed = self.sent.persons.iter().all(|other| *other == person);

        match person {
            _ if !is_agreed || self.is_repaired(field) || self.follows_repaired(field) => {}
            Person::Sent(person_type) => return person_type,
            Person::Defaulted
                if self.is_default_open()
                    && self.is_whole()
                    && !self.has_person_type_elsewhere() =>
            {
                self.sent.warn(WarningCode::PersonTypeDefaulted, field);
                return self.sent.dialect.person_missing;
            }
            Person::Defaulted | Person::Unknown => {}
        }

        self.sent.warn(WarningCode::PersonTypeUnknown, field);
        PersonType::Unknown
    }

    /// Whether a missing person type has a meaning in this dialect.
    fn is_default_open(&self) -> bool {
        self.sent.dialect.person_missing != PersonType::Unknown
    }

    /// Whether exactly one inner object came, and unrepaired: then a field it lacks was not sent.
    fn is_whole(&self) -> bool {
        let is_odd = |notes: &Notes| {
            notes.bytes.is_some() || notes.members.values().any(|member| member.key.is_some())
        };
        let notes = &self.sent.notes;
        let is_repaired = is_odd(notes)
            || notes
                .members
                .get(self.sent.dialect.table.inner)
                .is_some_and(is_odd);
        self.sent.instead_of_inner.is_none() && self.sent.inners == 1 && !is_repaired
    }

    /// Whether a person type stands in another place or under a similar name: then it was sent, only not where it is read.
    fn has_person_type_elsewhere(&self) -> bool {
        let sent = &self.sent;
        sent.extra.iter().any(|(name, value)| {
            (name != sent.dialect.table.inner && field::names_person(name))
                || field::names_person_below(value)
        }) || sent.values.iter().flatten().any(field::names_person_below)
    }

    /// A repaired value counts as unreadable, never as absent.
    fn is_repaired(&self, field: &Field) -> bool {
        self.notes_of(field).is_some_and(Notes::is_another)
    }

    /// The same of one that a repeated key put another in the place of.
    fn follows_repaired(&self, field: &Field) -> bool {
        self.notes_of(field).is_some_and(|it| it.follows_another)
    }

    fn notes_of(&self, field: &Field) -> Option<&Notes> {
        let inner = self.sent.dialect.table.inner;
        self.sent.notes.of(inner, field)
    }

    fn score(&mut self) -> Option<f64> {
        let (field, value) = self.sent.get(Meaning::Score);
        let is_text = matches!(value, Some(Value::String(_)));
        let score = match self.is_repaired(field) {
            true => Score::Invalid,
            false => field::score(value, self.scale()),
        };

        if is_text {
            self.sent.warn(WarningCode::TypeUnexpected, field);
        }
        match score {
            Score::None => None,
            Score::As(score) => Some(score),
            Score::Scaled(score) => {
                self.sent.warn(WarningCode::ScoreScaled, field);
                Some(score)
            }
            Score::Invalid => {
                self.sent.warn(WarningCode::ScoreInvalid, field);
                None
            }
        }
    }

    /// The score's scale: the config's, or by default the dialect's.
    fn scale(&self) -> ScoreScale {
        match self.context.settings.score_scale {
            ScoreScale::Auto => self.sent.dialect.scale,
            scale => scale,
        }
    }

    /// The group's name. Some firmware sends its id alone, which stays in `extra` as well.
    fn group(&mut self) -> Option<String> {
        self.text(Meaning::Group)
            .or_else(|| field::text(self.sent.extra.get("group_id")).text)
    }

    fn device(&mut self) -> Device {
        let ip = self.device_ip();
        let id = ip.clone().unwrap_or_else(|| self.unnamed());

        let (field, kind) = self.sent.get(Meaning::DeviceType);
        let kind = field::device_type(kind, self.sent.dialect.devices);
        let kind = self.accept(kind, field).unwrap_or_default();

        Device {
            id,
            ip,
            kind: self.shorten(kind, field),
            name: self.text(Meaning::DeviceName),
            box_id: self.text(Meaning::Box).or_else(|| self.box_of_url()),
        }
    }

    fn device_ip(&mut self) -> Option<String> {
        let (field, _) = self.sent.get(Meaning::DeviceIp);
        let ip = self.text(Meaning::DeviceIp);
        if ip.is_none() {
            self.sent.warn(WarningCode::DeviceMissing, field);
        }
        ip.map(|ip| self.shorten(ip, field))
    }

    /// The device of a document that names none: the sender's only one, else it goes by the sender's address.
    fn unnamed(&self) -> String {
        let source = self.context.source;
        source.pass.device.as_ref().unwrap_or(&source.peer).clone()
    }

    fn box_of_url(&self) -> Option<String> {
        let box_id = self.context.source.box_id.clone();
        box_id.filter(|id| !id.is_empty())
    }

    fn origin(&mut self) -> Origin {
        let site = match self.context.source.site.as_deref() {
            Some(site) if is_site(site) => site,
            Some(_) => {
                self.sent.warnings.add(WarningCode::SiteInvalid, "?site");
                self.context.site
            }
            None => self.context.site,
        };

        Origin {
            site: site.to_owned(),
            gateway: self.context.gateway.to_owned(),
            peer: self.context.source.peer.clone(),
            authenticated: self.context.source.pass.authenticated.as_str().to_owned(),
        }
    }

    fn quality(&mut self, meaning: Meaning) -> Value {
        let (field, value) = self.sent.get(meaning);
        match value {
            Some(Value::Object(_)) => return value.cloned().unwrap_or_default(),
            None | Some(Value::Null) => {}
            Some(_) => self.sent.warn(WarningCode::TypeUnexpected, field),
        }
        Value::Object(Map::new())
    }

    fn text(&mut self, meaning: Meaning) -> Option<String> {
        let (field, value) = self.sent.get(meaning);
        let text = field::text(value);
        self.accept(text, field)
    }

    fn accept(&mut self, text: Text, field: &Field) -> Option<String> {
        if text.is_unexpected {
            self.sent.warn(WarningCode::TypeUnexpected, field);
        }
        let has_controls = |text: &String| text.contains(char::is_control);
        if text.text.as_ref().is_some_and(has_controls) {
            self.sent.warn(WarningCode::ControlCharacter, field);
        }

        text.text
    }

    /// Cuts a text that becomes a topic level; the hash at its end keeps two devices apart.
    fn shorten(&mut self, text: String, field: &Field) -> String {
        if text.len() <= LEVEL_MAX {
            return text;
        }

        self.sent.warn(WarningCode::DeviceShortened, field);
        let hash = digest::sha256_hex(text.as_bytes());
        let hash = hash.get(..16).unwrap_or_default();
        let start = text
            .get(..text.floor_char_boundary(LEVEL_MAX - hash.len() - 1))
            .unwrap_or_default();
        format!("{start}~{hash}")
    }
}
