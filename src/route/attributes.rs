//! The CloudEvents 1.0 attributes of a message, without the prefix that each binding gives them.
//!
//! Promises: every value is printable ASCII, whatever the event holds, so that no value can smuggle a header into a bus.

use super::payload::{Moment, SCHEMA};
use super::{PicturesNow, topic};
use boxbridge_config::Format;
use boxbridge_event::{Event, PictureKind};

mod described;

pub use described::{Attribute, OF_DEVICE, OF_EVENT, OF_PICTURES};

pub(super) fn of(event: &Event, moment: Moment<'_>, format: Format) -> Vec<(&'static str, String)> {
    // The vendor's own shape has no schema of ours.
    let schema = (format == Format::Boxbridge).then_some("urn:boxbridge:match:v1");
    let always = |name, value: String| Some((name, value));
    let maybe = |name, value: Option<String>| value.map(|value| (name, value));

    let attributes = [
        always("specversion", "1.0".to_owned()),
        always("id", format!("{}.{}", event.id, event.revision)),
        always("type", SCHEMA.to_owned()),
        always(
            "source",
            topic::source(&event.origin.site, &event.device.id),
        ),
        always("subject", event.person_type.to_string()),
        always("time", event.occurred_at.to_string()),
        always("datacontenttype", "application/json".to_owned()),
        maybe("dataschema", schema.map(str::to_owned)),
        always("persontype", event.person_type.to_string()),
        always("site", event.origin.site.clone()),
        always("pictures", pictures(event, moment).to_owned()),
        always("recordedtime", event.received_at.to_string()),
        maybe("actbefore", moment.act_before.map(|time| time.to_string())),
        maybe("replay", moment.replay.map(str::to_owned)),
        always("sequence", format!("{:020}", moment.sequence.number)),
    ];

    let mut present = Vec::with_capacity(attributes.len());
    present.extend(attributes.into_iter().flatten());
    present
}

/// Whether a reader of the message can fetch its pictures.
fn pictures(event: &Event, moment: Moment<'_>) -> &'static str {
    let has = |kind: &PictureKind| event.pictures.get(*kind).is_some();
    let mut kinds = PictureKind::ALL.iter().copied().filter(has).peekable();

    match moment.pictures {
        _ if moment.is_dropped || kinds.peek().is_none() => "none",
        PicturesNow::Pending => "pending",
        PicturesNow::Settled(verdict) => {
            match kinds
                .any(|kind| verdict.missing.contains(kind) || verdict.not_stored.contains(kind))
            {
                true => "incomplete",
                false => "stored",
            }
        }
    }
}
