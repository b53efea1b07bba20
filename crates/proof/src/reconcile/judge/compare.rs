//! What was delivered against what was sent, field by field. Names the fields that differ, never their values.

use super::expected::{Expected, ExpectedEvent, Index, hash, ten_thousandths};
use super::stand_ins::StandIns;
use crate::reconcile::destination::Stream;
use crate::reconcile::recording::{Arrival, Delivered, DeliveredPicture};
use boxbridge_config::{IdentityShown, Redaction};
use boxbridge_event::document::Meaning;
use boxbridge_event::{PersonType, PictureKind};

/// The fields of this arrival that differ from what was sent. If the answer did not tell id or revision, the first arrival
/// sets them, and all destinations must agree. What its route leaves out must not be there, but for its stand-in.
pub fn differences(
    expected: &mut Expected,
    index: usize,
    arrival: &Arrival,
    redaction: &Redaction,
    stand_ins: &mut StandIns,
) -> Vec<String> {
    let mut wrong = Vec::new();
    if arrival.stream == Stream::Elsewhere {
        wrong.push("topic".to_owned());
    }
    let Some(delivered) = &arrival.event else {
        return wrong;
    };

    let Some(event) = expected.events.get_mut(index) else {
        return wrong;
    };
    let is_id = match hides_id(event, redaction) {
        true => stand_ins.is_id(index, event, delivered.id),
        false => {
            event.id = event.id.or(delivered.id);
            delivered.id.is_some() && delivered.id == event.id
        }
    };
    let is_revision = match redaction.is_none() {
        true => is_revision(event, delivered),
        false => stand_ins.is_revision(index, event, delivered),
    };
    let identity = delivered.identity.as_deref();
    let is_identity = match redaction.identity() {
        IdentityShown::AsItIs => identity.map(hash) == Some(event.identity),
        IdentityShown::StandIn => stand_ins.is_person(event, identity),
        IdentityShown::Nothing => identity.is_none(),
    };

    let Some(event) = expected.events.get(index) else {
        return wrong;
    };
    let named = [
        ("id", is_id),
        ("revision", is_revision),
        ("identity.id", is_identity),
    ];
    let fields = fields(expected, event, delivered, redaction);
    let fields = named.into_iter().chain(fields);
    let differing = fields.filter(|(_, is_same)| !is_same);
    wrong.extend(differing.map(|(field, _)| field.to_owned()));

    let picture = |kind: PictureKind| match redaction.hides(Meaning::Picture(kind)) {
        true => told(delivered, kind),
        false => picture(expected, event, delivered, kind),
    };
    wrong.extend(PictureKind::ALL.iter().copied().filter_map(picture));
    wrong
}

/// An id is a hash of who somebody is, or of the whole content where nobody knows that.
fn hides_id(event: &ExpectedEvent, redaction: &Redaction) -> bool {
    let is_anonymous = event.is_nobody()
        || matches!(
            event.person_type,
            PersonType::Stranger | PersonType::Unknown
        );
    redaction.hides(Meaning::IdentityId) || (is_anonymous && !redaction.is_none())
}

/// The field of a picture that should not be there.
fn told(delivered: &Delivered, kind: PictureKind) -> Option<String> {
    let told = delivered.pictures.contains_key(&kind);
    told.then(|| format!("pictures.{kind}"))
}

/// An event has one revision live and another for the record; a replay repeats either.
fn is_revision(event: &mut ExpectedEvent, delivered: &Delivered) -> bool {
    let Some(revision) = delivered.revision else {
        return false;
    };
    if delivered.replay {
        return event.revisions.may_be(revision);
    }

    let is_live = delivered.act_before.is_some();
    let known = *event.revisions.slot(is_live).get_or_insert(revision);
    known == revision && event.revisions.are_told_apart()
}

fn fields(
    expected: &Expected,
    event: &ExpectedEvent,
    delivered: &Delivered,
    redaction: &Redaction,
) -> [(&'static str, bool); 5] {
    let feeds = [Some(event.feed), event.other_feed];
    let score = delivered.score.map(ten_thousandths);
    let sent = (!redaction.hides(Meaning::Score)).then_some(event.score);

    [
        (
            "feed",
            delivered.feed.is_some() && feeds.contains(&delivered.feed),
        ),
        (
            "device.id",
            delivered.device.as_deref() == Some(expected.device(event)),
        ),
        (
            "person_type",
            delivered.person_type == Some(event.person_type),
        ),
        ("match.score", score == sent),
        (
            "occurred_at",
            delivered.occurred_at == Some(event.occurred_at),
        ),
    ]
}

/// The field in which this picture differs; `None` if it is as it was sent, or neither sent nor delivered.
fn picture(
    expected: &Expected,
    event: &ExpectedEvent,
    delivered: &Delivered,
    kind: PictureKind,
) -> Option<String> {
    let picture = |index: Index| Some((index, expected.pictures.get(index as usize)?));
    let sent = event.picture(kind).and_then(picture);
    let (index, sent, said) = match (sent, delivered.pictures.get(&kind)) {
        (None, None) => return None,
        (Some((index, sent)), Some(said)) => (index, sent, said),
        (None, Some(_)) | (Some(_), None) => return Some(format!("pictures.{kind}")),
    };

    let sha256 = said.sha256.as_deref();
    let said_of = sha256.and_then(|sha256| expected.find_picture(sha256));
    if said_of != Some(index) {
        Some(format!("pictures.{kind}.sha256"))
    } else if said.bytes != Some(u64::from(sent.bytes)) {
        Some(format!("pictures.{kind}.bytes"))
    } else if !is_named_by_content(said) {
        Some(format!("pictures.{kind}.key"))
    } else {
        None
    }
}

/// Whether the key holds the content's hash. A picture that is not stored needs no key.
fn is_named_by_content(said: &DeliveredPicture) -> bool {
    match (&said.key, &said.sha256) {
        (Some(key), Some(sha256)) => key.contains(sha256.as_str()),
        (None, _) => said.stored != Some(true),
        (Some(_), None) => false,
    }
}
