//! The payload of a message, which is the contract downstream: every key is always there, in the order of the document.
//!
//! Deliberately written in one pass without building a `Value`; only the vendor's own shape is one.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::PicturesNow;
use super::picture_locations::Base;
use boxbridge_event::document::{self, Table};
use boxbridge_event::{
    AsWritten, Clock, Device, Event, EventId, Feed, Identity, Match, Origin, PersonType, Picture,
    PictureKind, PictureReference, PictureState, Quality, Revision, Timestamp, Warning,
};

pub(super) const SCHEMA: &str = "boxbridge.match.v1";
pub(super) const TOLD_SCHEMA: &str = "boxbridge.pictures.v1";

/// An event as it is at the moment of sending.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    schema: &'static str,
    id: EventId,
    revision: Revision,
    feed: Feed,
    occurred_at: Timestamp,
    received_at: Timestamp,
    act_before: Option<Timestamp>,
    replay: Option<&'a str>,
    person_type: PersonType,
    identity: &'a Identity,
    #[serde(rename = "match")]
    matched: &'a Match,
    device: &'a Device,
    origin: &'a Origin,
    sequence: SequenceInEpoch<'a>,
    clock: &'a Clock,
    pictures: PicturesSent<'a>,
    quality: &'a AsWritten<Quality>,
    source: &'a AsWritten<Map<String, Value>>,
    extra: &'a AsWritten<Map<String, Value>>,
    warnings: &'a [Warning],
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct SequenceInEpoch<'a> {
    pub epoch: &'a str,
    pub number: u64,
}

#[derive(Serialize)]
struct PicturesSent<'a> {
    registered: Option<PictureSent<'a>>,
    scene: Option<PictureSent<'a>>,
    face: Option<PictureSent<'a>>,
    infrared: Option<PictureSent<'a>>,
}

/// The second word on an event's pictures.
#[derive(Serialize)]
struct PicturesTold<'a> {
    schema: &'static str,
    id: EventId,
    revision: Revision,
    pictures: PicturesSent<'a>,
}

#[derive(Serialize)]
struct PictureSent<'a> {
    /// The whole key in the store.
    key: String,
    /// Where it lies or will lie; `null` if it never will.
    uri: Option<String>,
    url: Option<String>,
    stored: bool,
    sha256: &'a str,
    bytes: u64,
    media_type: &'a str,
    width: Option<u32>,
    height: Option<u32>,
    state: PictureState,
    /// Only if the route says inline; `null` if the bytes could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<Option<Base64<'a>>>,
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(self.0))
    }
}

/// What a payload needs beside the event.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub act_before: Option<Timestamp>,
    pub replay: Option<&'a str>,
    pub sequence: SequenceInEpoch<'a>,
    pub base: &'a Base,
    pub pictures: PicturesNow,
    pub links: &'a [(PictureKind, String)],
    pub is_dropped: bool,
    /// The pictures' bytes, if the route wants them in the message.
    pub inline: Option<&'a [Picture]>,
}

pub(super) fn boxbridge(event: &Event, moment: Moment<'_>) -> Bytes {
    write(&Payload {
        schema: SCHEMA,
        id: event.id,
        revision: event.revision,
        feed: event.feed,
        occurred_at: event.occurred_at,
        received_at: event.received_at,
        act_before: moment.act_before,
        replay: moment.replay,
        person_type: event.person_type,
        identity: &event.identity,
        matched: &event.matched,
        device: &event.device,
        origin: &event.origin,
        sequence: moment.sequence,
        clock: &event.clock,
        pictures: moment.all_sent(event),
        quality: &event.quality,
        source: &event.source,
        extra: &event.extra,
        warnings: &event.warnings,
    })
}

/// The pictures alone, never inline.
pub(super) fn told(event: &Event, moment: Moment<'_>) -> Bytes {
    let moment = Moment {
        inline: None,
        ..moment
    };
    write(&PicturesTold {
        schema: TOLD_SCHEMA,
        id: event.id,
        revision: event.revision,
        pictures: moment.all_sent(event),
    })
}

/// The vendor's own JSON: a picture is its base64 where the route says inline, else its `uri`, else an empty text.
pub(super) fn vendor(table: &Table, event: &Event, moment: Moment<'_>) -> Bytes {
    write(&document::rebuild(table, event, |kind, picture| {
        let sent = moment.picture(kind, picture);
        let inline = moment.inline.and_then(|pictures| bytes_of(pictures, kind));
        Some(match inline {
            Some(bytes) => document::picture_text(picture, bytes),
            None => sent.uri.unwrap_or_default(),
        })
    }))
}

impl<'a> Moment<'a> {
    fn all_sent(&self, event: &'a Event) -> PicturesSent<'a> {
        PicturesSent {
            registered: self.sent(event, PictureKind::Registered),
            scene: self.sent(event, PictureKind::Scene),
            face: self.sent(event, PictureKind::Face),
            infrared: self.sent(event, PictureKind::Infrared),
        }
    }

    fn sent(&self, event: &'a Event, kind: PictureKind) -> Option<PictureSent<'a>> {
        let picture = event.pictures.get(kind)?;
        Some(self.picture(kind, picture))
    }

    fn picture(&self, kind: PictureKind, picture: &'a PictureReference) -> PictureSent<'a> {
        let state = self.state(kind, picture);
        let will_lie = !matches!(
            state,
            PictureState::Dropped | PictureState::Missing | PictureState::NotStored
        );
        let name = will_lie.then_some(&picture.key);

        PictureSent {
            key: self.base.key(&picture.key),
            uri: name.map(|name| self.base.uri(name)),
            url: name.and_then(|name| self.url(kind, name)),
            stored: will_lie && matches!(self.pictures, PicturesNow::Settled(_)),
            sha256: &picture.sha256,
            bytes: picture.bytes,
            media_type: &picture.media_type,
            width: picture.width,
            height: picture.height,
            state,
            base64: self
                .inline
                .map(|pictures| bytes_of(pictures, kind).map(Base64)),
        }
    }

    /// The operator's own address goes first.
    fn url(&self, kind: PictureKind, name: &str) -> Option<String> {
        let mut links = self.links.iter();
        let link = links.find(|(of, _)| *of == kind);
        let of_base = self.base.url(name);
        of_base.or_else(|| link.map(|(_, link)| link.clone()))
    }

    /// What became of a picture, as far as the store has answered.
    fn state(&self, kind: PictureKind, picture: &PictureReference) -> PictureState {
        match self.pictures {
            _ if self.is_dropped => PictureState::Dropped,
            PicturesNow::Settled(verdict) if verdict.missing.contains(kind) => {
                PictureState::Missing
            }
            PicturesNow::Settled(verdict) if verdict.not_stored.contains(kind) => {
                PictureState::NotStored
            }
            _ => picture.state,
        }
    }
}

fn bytes_of(pictures: &[Picture], kind: PictureKind) -> Option<&[u8]> {
    pictures
        .iter()
        .find(|picture| picture.kind == kind)
        .map(|picture| &*picture.bytes)
}

/// Of a usual event with two pictures: its text does not grow step by step.
const USUAL_BYTES: usize = 2 << 10;

/// Writing an event cannot fail: its keys are strings and its numbers finite.
fn write(payload: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut text, payload) {
        Ok(()) => text.into(),
        Err(_) => Bytes::new(),
    }
}
