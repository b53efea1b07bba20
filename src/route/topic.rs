//! Fills in a topic or key template, and encodes the values that came from a box.
//!
//! Promises: whatever an event holds, the result is a legal MQTT topic name without a wildcard, and no field begins a level with `$`. If
//! `/` separates the fields, different values never make the same topic. Characters that need no encoding stay readable, Chinese too.
//! Deliberately checks no template: `config` does.

use std::fmt::Write;

use boxbridge_config::{Field, Part, Template};
use boxbridge_event::Event;

/// A template filled in from an event.
pub(super) fn render(template: &Template, event: &Event) -> String {
    fill(template, |field| match field {
        Field::Site => &event.origin.site,
        Field::Gateway => &event.origin.gateway,
        Field::PersonType => event.person_type.as_str(),
        Field::Feed => event.feed.as_str(),
        Field::DeviceId => &event.device.id,
        Field::DeviceType => &event.device.kind,
    })
}

/// A template filled in without an event, for the gateway's own messages: only `{site}` and `{gateway}` have values.
pub fn gateway_topic(template: &Template, site: &str, gateway: &str) -> String {
    fill(template, |field| match field {
        Field::Site => site,
        Field::Gateway => gateway,
        Field::PersonType | Field::Feed | Field::DeviceId | Field::DeviceType => "",
    })
}

/// A template filled in without an event, for what is told of a device: only `{site}` and `{device.id}` have values.
pub(super) fn of_device(template: &Template, site: &str, device_id: &str) -> String {
    fill(template, |field| match field {
        Field::Site => site,
        Field::DeviceId => device_id,
        Field::Gateway | Field::PersonType | Field::Feed | Field::DeviceType => "",
    })
}

/// A filter for the topics that a template makes. A level with a field that has no value is a wildcard, whole, as MQTT wants it.
pub(super) fn filter<'v>(template: &Template, value: impl Fn(Field) -> Option<&'v str>) -> String {
    let mut levels = vec![Some(String::new())];
    for part in &template.parts {
        match part {
            Part::Literal(text) => {
                let mut pieces = text.split('/');
                append(&mut levels, pieces.next());
                for piece in pieces {
                    levels.push(Some(piece.to_owned()));
                }
            }
            Part::Field(field) => {
                let encoded = value(*field).map(|value| {
                    let mut encoded = String::new();
                    encode_level(value, &mut encoded);
                    encoded
                });
                append(&mut levels, encoded.as_deref());
            }
        }
    }

    let levels = levels.into_iter();
    let levels: Vec<_> = levels
        .map(|level| level.unwrap_or_else(|| "+".to_owned()))
        .collect();
    levels.join("/")
}

/// What is not known makes the whole level unknown.
fn append(levels: &mut [Option<String>], piece: Option<&str>) {
    if let Some(level) = levels.last_mut() {
        *level = level.take().zip(piece).map(|(level, piece)| level + piece);
    }
}

/// Where a message comes from, as CloudEvents want it.
pub(super) fn source(site: &str, device_id: &str) -> String {
    let mut source = String::from("/boxbridge/");
    encode_segment(site, &mut source);
    source.push('/');
    encode_segment(device_id, &mut source);
    source
}

fn fill<'e>(template: &Template, value: impl Fn(Field) -> &'e str) -> String {
    let mut topic = String::with_capacity(96);
    for part in &template.parts {
        match part {
            Part::Literal(literal) => topic.push_str(literal),
            Part::Field(field) => encode_level(value(*field), &mut topic),
        }
    }
    topic
}

/// Stands for an empty field: no other encoding ends in a bare `%`.
const EMPTY: char = '%';

fn encode_level(text: &str, topic: &mut String) {
    if text.is_empty() {
        topic.push(EMPTY);
    }
    for character in text.chars() {
        // A `$` at the start of a topic makes it the broker's own; some brokers claim every level that begins with one.
        let begins_level = topic.is_empty() || topic.ends_with('/');
        if is_reserved(character) || (character == '$' && begins_level) {
            encode(character, topic);
        } else {
            topic.push(character);
        }
    }
}

/// Separators and wildcards of MQTT, our own escape, and characters for which a broker may close the connection: controls and code
/// points that are no characters.
fn is_reserved(character: char) -> bool {
    let code = u32::from(character);
    matches!(character, '%' | '+' | '#' | '/')
        || character.is_control()
        || matches!(code, 0xfdd0..=0xfdef)
        || code & 0xfffe == 0xfffe
}

/// A path segment of a URI reference: all but the unreserved characters encoded.
pub(super) fn encode_segment(text: &str, uri: &mut String) {
    for character in text.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.' | '_' | '~' => uri.push(character),
            _ => encode(character, uri),
        }
    }
}

fn encode(character: char, into: &mut String) {
    for byte in character.encode_utf8(&mut [0; 4]).bytes() {
        // Writing into memory does not fail.
        let _ = write!(into, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(template: &str, device_id: &str, device_type: &str) -> String {
        let template =
            Template::mqtt_topic(template, &[Field::DeviceId, Field::DeviceType]).unwrap();
        fill(&template, |field| {
            if field == Field::DeviceId {
                device_id
            } else {
                device_type
            }
        })
    }

    #[test]
    fn separators_wildcards_and_controls_are_encoded_and_chinese_is_not() {
        assert_eq!(
            topic("a/{device.id}", "a/../+#%\0\r\n", ""),
            "a/a%2F..%2F%2B%23%25%00%0D%0A"
        );
        assert_eq!(topic("a/{device.id}", "东门 1", ""), "a/东门 1");
        assert_eq!(topic("a/{device.id}/b", "", ""), "a/%/b");
    }

    #[test]
    fn a_filter_takes_every_topic_of_its_template() {
        let filter = |template: &str| {
            let template = Template::parse(template, &[Field::Site, Field::DeviceId]).unwrap();
            filter(&template, |field| (field == Field::Site).then_some("a/b"))
        };
        assert_eq!(filter("x/{site}/y/{device.id}"), "x/a%2Fb/y/+");
        assert_eq!(filter("{device.id}-{site}/y-{site}-z"), "+/y-a%2Fb-z");
        assert_eq!(filter("x/y{device.id}z/{site}"), "x/+/a%2Fb");
    }

    #[test]
    fn a_dollar_never_begins_a_level() {
        assert_eq!(
            topic("{device.id}/x", "$SYS/broker", ""),
            "%24SYS%2Fbroker/x"
        );
        assert_eq!(topic("a/{device.id}", "$SYS", ""), "a/%24SYS");
        assert_eq!(topic("a/{device.id}/b", "$$x$", ""), "a/%24$x$/b");
        assert_eq!(topic("a/x{device.id}", "$x", ""), "a/x$x");
    }

    proptest! {
        #[test]
        fn every_topic_is_legal(first in any::<String>(), second in any::<String>()) {
            for template in ["{device.id}/{device.type}", "a/{device.id}/b/{device.type}", "{device.type}{device.id}"] {
                let topic = topic(template, &first, &second);
                prop_assert!(!topic.is_empty() && topic.split('/').all(|level| !level.starts_with('$')));
                let is_legal = |c: char| !c.is_control() && !"+#\0".contains(c);
                prop_assert!(topic.chars().all(is_legal));
                let slashes = template.matches('/').count();
                prop_assert_eq!(topic.matches('/').count(), slashes);
            }
        }

        #[test]
        fn two_devices_never_share_a_topic(one in ".{0,4}|[%$/+#0-9A-F]{0,4}", other in ".{0,4}|[%$/+#0-9A-F]{0,4}") {
            for template in ["{device.id}/x", "a/{device.id}", "a/x{device.id}"] {
                prop_assert_eq!(topic(template, &one, "") == topic(template, &other, ""), one == other);
            }
        }
    }
}
