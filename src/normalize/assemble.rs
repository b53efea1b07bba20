//! A claimed document → an [`Event`] and its pictures: every field is settled here, and no field refuses.
//!
//! Promises: each known field ends up normalized, and as sent in `source` wherever the normalized value does not give it back; each
//! unknown one in `extra`; each oddity in `warnings`. Deliberately sets no id: that rests on everything else, and comes last.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::field::{self, Person, Score, Text};
use super::object::{Member, Object};
use super::warnings::Warnings;
use super::{Context, Normalized, digest, embedding, picture};
use crate::config::is_site;
use crate::event::document::{FIELDS, Field, INNER, Meaning, normalized};
use crate::event::{
    Clock, ClockSource, Code, Device, Event, EventId, Feed, Identity, Match, Origin, PersonType, Picture, PictureState, Pictures,
    Quality, Refusal, Revision, Timestamp, WarningCode,
};

/// Beyond this many bytes the end of a device's id is replaced by a hash: it becomes topics, which have limits.
const DEVICE_ID_MAX: usize = 256;

/// The document, its fields in the order of [`FIELDS`].
struct Sent<'a> {
    texts: [Option<&'a RawValue>; FIELDS.len()],
    /// Of those that did not become a picture.
    values: [Option<Value>; FIELDS.len()],
    /// What stands where the inner object should: `None` if it does.
    inner: Option<Value>,
    extra: Map<String, Value>,
    warnings: Warnings,
}

pub(super) fn assemble(object: Object<'_>, feed: Feed, context: &Context<'_>) -> Result<Normalized, Refusal> {
    let mut sent = Sent::default();
    sent.take_all(object)?;
    let (references, pictures) = sent.pictures(context)?;
    sent.parse()?;
    let event = sent.event(feed, references, context);
    Ok(Normalized { event, pictures })
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Sent {
            texts: [None; FIELDS.len()],
            values: [const { None }; FIELDS.len()],
            inner: Some(Value::Null),
            extra: Map::new(),
            warnings: Warnings::default(),
        }
    }
}

impl<'a> Sent<'a> {
    fn take_all(&mut self, object: Object<'a>) -> Result<(), Refusal> {
        let mut inside = None;
        for (name, member) in object.members {
            if name == INNER {
                if inside.replace(member).is_some() {
                    self.warnings.add(WarningCode::KeyRepeated, INNER);
                }
            } else if let Member::Text(text) = member {
                self.take(false, &name, text)?;
            }
        }
        match inside {
            None => {}
            Some(Member::Object(inside)) => {
                self.inner = None;
                for (name, member) in inside.members {
                    if let Member::Text(text) = member {
                        self.take(true, &name, text)?;
                    }
                }
            }
            Some(Member::Text(text)) => self.without_inner(text)?,
        }
        Ok(())
    }

    /// The inner object is something else: kept as sent.
    fn without_inner(&mut self, text: &RawValue) -> Result<(), Refusal> {
        let value = self.value(INNER, INNER, text)?;
        self.warnings.add(WarningCode::TypeUnexpected, INNER);
        if value.is_null() {
            self.extra.insert(INNER.to_owned(), value);
        } else {
            self.inner = Some(value);
        }
        Ok(())
    }

    fn take(&mut self, inner: bool, name: &str, text: &'a RawValue) -> Result<(), Refusal> {
        let path = || if inner { format!("{INNER}.{name}") } else { name.to_owned() };
        let known = FIELDS.iter().position(|field| field.inner == inner && field.name == name);
        let repeated = match known.and_then(|index| self.texts.get_mut(index)) {
            Some(slot) => slot.replace(text).is_some(),
            None if embedding::is_embedding(name) => {
                self.warnings.add(WarningCode::EmbeddingRemoved, path());
                false
            }
            None => {
                let value = self.value(name, &path(), text)?;
                self.keep(inner, name, value)
            }
        };
        if repeated {
            self.warnings.add(WarningCode::KeyRepeated, path());
        }
        Ok(())
    }

    /// Puts a value where it stood; true if one was there already.
    fn keep(&mut self, inner: bool, name: &str, value: Value) -> bool {
        if !inner {
            return self.extra.insert(name.to_owned(), value).is_some();
        }
        let inside = self.extra.entry(INNER).or_insert_with(|| Value::Object(Map::new()));
        inside.as_object_mut().is_some_and(|inside| inside.insert(name.to_owned(), value).is_some())
    }

    fn value(&mut self, name: &str, path: &str, text: &RawValue) -> Result<Value, Refusal> {
        let mut value = serde_json::from_str(text.get())
            .map_err(|error| Refusal::at(Code::JsonInvalid, path, format!("not JSON: {:?} in {path}", error.classify())))?;
        if embedding::remove(name, &mut value) {
            self.warnings.add(WarningCode::EmbeddingRemoved, path);
        }
        Ok(value)
    }

    fn pictures(&mut self, context: &Context<'_>) -> Result<(Pictures, Vec<Picture>), Refusal> {
        let mut references = Pictures::default();
        let mut pictures = Vec::new();
        for (field, text) in FIELDS.iter().zip(&mut self.texts) {
            let (Meaning::Picture(kind), Some(sent)) = (field.meaning, *text) else { continue };
            let pixels_max = context.settings.picture_max_pixels;
            match picture::read(sent.get(), kind, context.source.received_at, pixels_max) {
                Some((reference, bytes)) => {
                    if let Some(code) = warning_of(reference.state) {
                        self.warnings.add(code, field.path());
                    }
                    *references.slot(kind) = Some(reference);
                    pictures.push(Picture { kind, bytes });
                    *text = None;
                }
                None if sent.get().starts_with('"') || sent.get() == "null" => {}
                None => self.warnings.add(WarningCode::TypeUnexpected, field.path()),
            }
        }
        if pictures.len() > context.limits.pictures_max {
            let message = format!("{} pictures in one event, at most {}", pictures.len(), context.limits.pictures_max);
            return Err(Refusal::new(Code::TooManyPictures, message));
        }
        Ok((references, pictures))
    }

    /// Reads every known field that is no picture by now.
    fn parse(&mut self) -> Result<(), Refusal> {
        for (index, field) in FIELDS.iter().enumerate() {
            if let Some(text) = self.texts.get(index).copied().flatten() {
                let value = self.value(field.name, &field.path(), text)?;
                if let Some(slot) = self.values.get_mut(index) {
                    *slot = Some(value);
                }
            }
        }
        Ok(())
    }

    fn event(mut self, feed: Feed, pictures: Pictures, context: &Context<'_>) -> Event {
        let received_at = context.source.received_at;
        let (occurred_at, clock) = self.clock(feed, received_at);
        let mut event = Event {
            id: EventId([0; 16]),
            revision: Revision(0),
            feed,
            occurred_at,
            received_at,
            person_type: self.person_type(),
            identity: Identity { id: self.text(Meaning::IdentityId), name: self.text(Meaning::IdentityName) },
            matched: Match { score: self.score(context), group: self.group() },
            device: self.device(context),
            origin: self.origin(context),
            clock,
            pictures,
            quality: Quality { camera: self.quality(Meaning::CameraQuality), box_: self.quality(Meaning::BoxQuality) },
            source: Map::new(),
            extra: Map::new(),
            warnings: Vec::new(),
        };
        self.settle(&mut event);
        event.extra = self.extra;
        event.warnings = self.warnings.into_vec();
        digest::name(&mut event);
        event
    }

    /// Writes `source`: what was sent, wherever the event does not give it back.
    fn settle(&mut self, event: &mut Event) {
        for (field, value) in FIELDS.iter().zip(std::mem::replace(&mut self.values, [const { None }; FIELDS.len()])) {
            let is_picture = matches!(field.meaning, Meaning::Picture(kind) if event.pictures.get(kind).is_some());
            let given = normalized(event, field.meaning);
            let null_is_absent = field.null_is_absent(event);
            let as_sent = match value {
                _ if is_picture => None,
                None => null_is_absent.then_some(Value::Null),
                Some(Value::Null) => {
                    if null_is_absent {
                        self.keep(field.inner, field.name, Value::Null);
                    }
                    Some(Value::Null)
                }
                Some(value) if given.as_ref() == Some(&value) => None,
                Some(value) => Some(value),
            };
            if let Some(as_sent) = as_sent {
                event.source.insert(field.name.to_owned(), as_sent);
            }
        }
        if let Some(inner) = self.inner.take() {
            event.source.insert(INNER.to_owned(), inner);
        }
    }

    fn clock(&mut self, feed: Feed, received_at: Timestamp) -> (Timestamp, Clock) {
        let (field, value) = self.sent(Meaning::OccurredAt);
        let (moment, is_text) = (field::moment(value), matches!(value, Some(Value::String(_))));
        let Some(moment) = moment else {
            self.warnings.add(WarningCode::TimestampInvalid, field.path());
            return (received_at, Clock { from: ClockSource::Gateway, skew_ms: None });
        };
        if is_text {
            self.warnings.add(WarningCode::TypeUnexpected, field.path());
        }
        if !moment.is_milliseconds {
            self.warnings.add(WarningCode::TimestampUnit, field.path());
        }
        let occurred_at = Timestamp(moment.milliseconds);
        let skew_ms = (feed == Feed::Realtime).then(|| received_at.since(occurred_at));
        (occurred_at, Clock { from: ClockSource::Box, skew_ms })
    }

    fn person_type(&mut self) -> PersonType {
        let (field, value) = self.sent(Meaning::PersonType);
        match field::person(value) {
            Person::Sent(person_type) => person_type,
            Person::Defaulted => {
                self.warnings.add(WarningCode::PersonTypeDefaulted, field.path());
                PersonType::Employee
            }
            Person::Unknown => {
                self.warnings.add(WarningCode::PersonTypeUnknown, field.path());
                PersonType::Unknown
            }
        }
    }

    fn score(&mut self, context: &Context<'_>) -> Option<f64> {
        let (field, value) = self.sent(Meaning::Score);
        let (score, is_text) = (field::score(value, context.settings.score_scale), matches!(value, Some(Value::String(_))));
        if is_text {
            self.warnings.add(WarningCode::TypeUnexpected, field.path());
        }
        match score {
            Score::None => None,
            Score::As(score) => Some(score),
            Score::Scaled(score) => {
                self.warnings.add(WarningCode::ScoreScaled, field.path());
                Some(score)
            }
            Score::Invalid => {
                self.warnings.add(WarningCode::ScoreInvalid, field.path());
                None
            }
        }
    }

    /// Some firmware sends the group's id alone, which stays in `extra` as well.
    fn group(&mut self) -> Option<String> {
        self.text(Meaning::Group).or_else(|| field::text(self.extra.get("group_id")).text)
    }

    fn device(&mut self, context: &Context<'_>) -> Device {
        let (ip_field, _) = self.sent(Meaning::DeviceIp);
        let ip = self.text(Meaning::DeviceIp).map(|ip| self.shorten(ip, ip_field));
        if ip.is_none() {
            self.warnings.add(WarningCode::DeviceMissing, ip_field.path());
        }
        let (kind_field, kind) = self.sent(Meaning::DeviceType);
        let kind = field::device_type(kind);
        let kind = self.accept(kind, kind_field).unwrap_or_default();
        Device {
            id: ip.clone().unwrap_or_else(|| context.source.peer.clone()),
            ip,
            kind: self.shorten(kind, kind_field),
            name: None,
            box_id: self.text(Meaning::Box).or_else(|| context.source.box_id.clone().filter(|id| !id.is_empty())),
        }
    }

    fn origin(&mut self, context: &Context<'_>) -> Origin {
        let site = match context.source.site.as_deref() {
            Some(site) if is_site(site) => site,
            Some(_) => {
                self.warnings.add(WarningCode::SiteInvalid, "?site");
                context.site
            }
            None => context.site,
        };
        Origin {
            site: site.to_owned(),
            gateway: context.gateway.to_owned(),
            peer: context.source.peer.clone(),
            authenticated: "none".to_owned(),
        }
    }

    fn quality(&mut self, meaning: Meaning) -> Value {
        let (field, value) = self.sent(meaning);
        match value {
            Some(Value::Object(_)) => return value.cloned().unwrap_or_default(),
            None | Some(Value::Null) => {}
            Some(_) => self.warnings.add(WarningCode::TypeUnexpected, field.path()),
        }
        Value::Object(Map::new())
    }

    fn text(&mut self, meaning: Meaning) -> Option<String> {
        let (field, value) = self.sent(meaning);
        let text = field::text(value);
        self.accept(text, field)
    }

    fn accept(&mut self, text: Text, field: &Field) -> Option<String> {
        if text.is_unexpected {
            self.warnings.add(WarningCode::TypeUnexpected, field.path());
        }
        if text.text.as_ref().is_some_and(|text| text.contains(char::is_control)) {
            self.warnings.add(WarningCode::ControlCharacter, field.path());
        }
        text.text
    }

    /// What becomes a topic level is cut where it is too long; the hash keeps two devices two.
    fn shorten(&mut self, text: String, field: &Field) -> String {
        if text.len() <= DEVICE_ID_MAX {
            return text;
        }
        self.warnings.add(WarningCode::DeviceShortened, field.path());
        let hash = digest::sha256_hex(text.as_bytes());
        let hash = hash.get(..16).unwrap_or_default();
        let start = text.get(..text.floor_char_boundary(DEVICE_ID_MAX - hash.len() - 1)).unwrap_or_default();
        format!("{start}~{hash}")
    }

    fn sent(&self, meaning: Meaning) -> (&'static Field, Option<&Value>) {
        const LIST: &[Field] = &FIELDS;
        // Every meaning has its field: the table says so, and the compiler cannot.
        let index = LIST.iter().position(|field| field.meaning == meaning).unwrap_or_default();
        (&LIST[index], self.values.get(index).and_then(Option::as_ref))
    }
}

fn warning_of(state: PictureState) -> Option<WarningCode> {
    match state {
        PictureState::Truncated => Some(WarningCode::PictureTruncated),
        PictureState::Undecodable => Some(WarningCode::PictureUndecodable),
        PictureState::Oversize => Some(WarningCode::PictureOversize),
        _ => None,
    }
}
