//! The CloudEvents 1.0 attributes of a message, without the prefix that each binding gives them.
//!
//! Promises: every value is printable ASCII, whatever the event holds, so that no value can smuggle a header into a bus.

use super::payload::{Moment, SCHEMA};
use super::{PicturesNow, topic};
use boxbridge_config::Format;
use boxbridge_event::{Event, PictureKind};

pub(super) fn of(event: &Event, moment: Moment<'_>, format: Format) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("specversion", "1.0".to_owned()),
        ("id", format!("{}.{}", event.id, event.revision)),
        ("type", SCHEMA.to_owned()),
        ("source", source(event)),
        ("subject", event.person_type.to_string()),
        ("time", event.occurred_at.to_string()),
        ("datacontenttype", "application/json".to_owned()),
    ];

    // The vendor's own shape has no schema of ours.
    if format == Format::Boxbridge {
        attributes.push(("dataschema", "urn:boxbridge:match:v1".to_owned()));
    }
    attributes.extend([
        ("persontype", event.person_type.to_string()),
        ("site", event.origin.site.clone()),
        ("pictures", pictures(event, moment).to_owned()),
        ("recordedtime", event.received_at.to_string()),
    ]);

    attributes.extend(
        moment
            .act_before
            .map(|time| ("actbefore", time.to_string())),
    );
    attributes.extend(moment.replay.map(|replay| ("replay", replay.to_owned())));
    attributes.push(("sequence", format!("{:020}", moment.sequence.number)));
    attributes
}

fn source(event: &Event) -> String {
    let mut source = String::from("/boxbridge/");
    topic::encode_segment(&event.origin.site, &mut source);
    source.push('/');
    topic::encode_segment(&event.device.id, &mut source);
    source
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
