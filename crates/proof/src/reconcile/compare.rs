//! What was delivered against what was sent, field by field. Names the fields that differ, never their values.

use super::bus::Stream;
use super::expected::{Expected, ExpectedEvent, hash, ten_thousandths};
use super::recording::{Arrival, Delivered};
use boxbridge_event::PictureKind;

/// The fields of this arrival that are not as they were sent; none if all is well. Id and revision are learnt from the first
/// arrival where the answer did not tell them, so that all destinations must agree on them.
pub fn differences(expected: &mut Expected, place: usize, arrival: &Arrival) -> Vec<String> {
    let mut wrong = Vec::new();
    if arrival.stream == Stream::Elsewhere {
        wrong.push("topic".to_owned());
    }
    let Some(delivered) = &arrival.event else {
        return wrong;
    };
    let is_revision = expected.events.get_mut(place).is_some_and(|event| {
        event.id = event.id.or(delivered.id);
        is_revision(event, delivered)
    });
    if let Some(event) = expected.events.get(place) {
        let fields = fields(expected, event, delivered)
            .into_iter()
            .chain([("revision", is_revision)]);
        wrong.extend(
            fields
                .filter(|(_, is_same)| !is_same)
                .map(|(field, _)| field.to_owned()),
        );
        wrong.extend(
            PictureKind::ALL
                .iter()
                .filter_map(|kind| picture(expected, event, delivered, *kind)),
        );
    }
    wrong
}

/// Live and for the record are two revisions; a replay has the one of what it repeats.
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
) -> [(&'static str, bool); 7] {
    [
        ("id", delivered.id.is_some() && delivered.id == event.id),
        (
            "feed",
            delivered.feed.is_some()
                && [Some(event.feed), event.other_feed].contains(&delivered.feed),
        ),
        (
            "device.id",
            delivered.device.as_deref() == Some(expected.device(event)),
        ),
        (
            "person_type",
            delivered.person_type == Some(event.person_type),
        ),
        (
            "identity.id",
            delivered.identity.as_deref().map(hash) == Some(event.identity),
        ),
        (
            "match.score",
            delivered.score.map(ten_thousandths) == Some(event.score),
        ),
        (
            "occurred_at",
            delivered.occurred_at == Some(event.occurred_at),
        ),
    ]
}

fn picture(
    expected: &Expected,
    event: &ExpectedEvent,
    delivered: &Delivered,
    kind: PictureKind,
) -> Option<String> {
    let sent = event
        .picture(kind)
        .and_then(|place| Some((place, expected.pictures.get(place as usize)?)));
    let (place, sent, said) = match (sent, delivered.pictures.get(&kind)) {
        (None, None) => return None,
        (Some((place, sent)), Some(said)) => (place, sent, said),
        (None, Some(_)) | (Some(_), None) => return Some(format!("pictures.{kind}")),
    };
    let is_content = said
        .sha256
        .as_deref()
        .and_then(|sha256| expected.find_picture(sha256))
        == Some(place);
    let is_size = said.bytes == Some(u64::from(sent.bytes));
    let is_key = match (&said.key, &said.sha256) {
        (Some(key), Some(sha256)) => key.contains(sha256.as_str()),
        (None, _) => said.stored != Some(true),
        (Some(_), None) => false,
    };
    match (is_content, is_size, is_key) {
        (true, true, true) => None,
        (false, _, _) => Some(format!("pictures.{kind}.sha256")),
        (_, false, _) => Some(format!("pictures.{kind}.bytes")),
        (_, _, false) => Some(format!("pictures.{kind}.key")),
    }
}
