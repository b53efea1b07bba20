//! Keeps out what would cost the connection: for one hostile topic or one packet too large a broker drops it, and every message on its way with it.
//!
//! Promises: a broker that keeps to the protocol can read each packet that passes here; a size is exact, to the byte. Deliberately does not
//! ask whether the broker will allow it: that is the broker's answer.
//!
//! A broker's answers and their consequences (MQTT 5, 3.4.2.1; MQTT 3.1.1 has only yes, and hanging up):
//!
//! | PUBACK | means | here | so |
//! | --- | --- | --- | --- |
//! | 0x00 | success | acknowledged | delivered |
//! | 0x10 | no matching subscribers | acknowledged, unheard | delivered, counted |
//! | 0x80 | unspecified error | [`Reason::Unexplained`] | tried again; set aside if it alone is refused for half a minute while others are taken |
//! | 0x83 | implementation specific error | [`Reason::Unexplained`] | the same |
//! | 0x87 | not authorised | [`Reason::NotAuthorised`] | the topic: set aside; more than ten a minute pause the class |
//! | 0x90 | topic name invalid | [`Reason::TopicInvalid`] | the same |
//! | 0x91 | packet identifier in use | [`Reason::Passing`] | the books of one connection: tried again, for ever |
//! | 0x97 | quota exceeded | [`Reason::Passing`] | tried again, for ever |
//! | 0x99 | payload format invalid | [`Reason::PayloadRefused`] | the record: set aside |
//! | 0x95 | (no code of a PUBACK, but mosquitto's) packet too large | [`Reason::TooLarge`] | the record, and the connection: set aside; its size is remembered, so that the next one costs no connection |
//! | another | nothing, by the standard | the connection is lost | its records are suspects |

use crate::send::{Reason, Rejection};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Message, PictureVerdict};

/// A string of the protocol has two bytes of length.
const STRING_MAX: usize = 65_535;

/// Whether this message may be published, on a connection with this limit for a packet.
pub(super) fn check(
    message: &Message,
    version: MqttVersion,
    packet_max: usize,
) -> Result<(), Rejection> {
    if let Some(fault) = topic_fault(&message.topic) {
        return Err(refused(Reason::TopicInvalid, format!("the topic {fault}")));
    }
    if version == MqttVersion::V5
        && let Some((name, _)) = message.attributes.iter().find(|(_, text)| is_illegal(text))
    {
        let detail = format!("the attribute {name} cannot be written in MQTT");
        return Err(refused(Reason::PayloadRefused, detail));
    }

    let size = packet_size(message, version);
    if size > packet_max {
        let detail = format!("the packet has {size} bytes, {packet_max} are allowed");
        return Err(refused(Reason::TooLarge, detail));
    }
    Ok(())
}

fn is_illegal(text: &str) -> bool {
    text.len() > STRING_MAX || text.chars().any(is_forbidden)
}

/// Whether the payload is smaller than the smallest that the broker is known to refuse.
pub(super) fn check_learned(
    message: &Message,
    refused_bytes: Option<usize>,
) -> Result<(), Rejection> {
    match (message.payload.len(), refused_bytes) {
        (bytes, Some(limit)) if bytes >= limit => Err(refused(
            Reason::TooLarge,
            format!(
                "the payload has {bytes} bytes, and the broker refused one of {limit} as too large"
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn refused(reason: Reason, detail: String) -> Rejection {
    Rejection {
        reason,
        detail,
        verdict: PictureVerdict::default(),
    }
}

/// The media type, which MQTT 5 has a property of its own for.
pub(super) fn content_type(message: &Message) -> Option<&str> {
    message
        .attributes
        .iter()
        .find(|(name, _)| *name == "datacontenttype")
        .map(|(_, value)| value.as_str())
}

/// The expiry in whole seconds, rounded up: a message with half a second left is not dead on arrival.
pub(super) fn expiry_seconds(message: &Message) -> Option<u32> {
    let left = message.expires_in?;
    Some(
        u32::try_from(left.as_millis().div_ceil(1000))
            .unwrap_or(u32::MAX)
            .max(1),
    )
}

fn topic_fault(topic: &str) -> Option<String> {
    if topic.is_empty() {
        return Some("is empty".to_owned());
    }
    if topic.len() > STRING_MAX {
        return Some(format!("has {} bytes, at most {STRING_MAX}", topic.len()));
    }
    let bad = topic
        .chars()
        .find(|c| "+#".contains(*c) || is_forbidden(*c))?;
    Some(format!("holds {bad:?}"))
}

/// NUL, the controls and the non-characters: a broker may take them for a malformed packet (MQTT 5, 1.5.4), and mosquitto does.
pub(super) fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(u32::from(c), 0xFDD0..=0xFDEF) || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Bytes of the PUBLISH packet, fixed header and packet id included.
fn packet_size(message: &Message, version: MqttVersion) -> usize {
    let properties = match version {
        MqttVersion::V3 => 0,
        MqttVersion::V5 => {
            let length = properties_size(message);
            variable_size(length) + length
        }
    };

    let remaining = 2 + message.topic.len() + 2 + properties + message.payload.len();
    1 + variable_size(remaining) + remaining
}

/// Bytes of: payload format indicator, message expiry, content type, and a user property for each attribute.
fn properties_size(message: &Message) -> usize {
    let expiry = if message.expires_in.is_some() { 5 } else { 0 };
    let content_type = content_type(message).map_or(0, |media_type| 3 + media_type.len());
    let user: usize = message
        .attributes
        .iter()
        .map(|(name, value)| 5 + name.len() + value.len())
        .sum();
    2 + expiry + content_type + user
}

/// Bytes of a variable byte integer.
fn variable_size(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use rumqttc::QoS;

    use super::*;
    use boxbridge_event::Timestamp;

    fn message(topic: &str, payload: usize) -> Message {
        Message {
            topic: topic.to_owned(),
            key: String::new(),
            attributes: vec![
                ("specversion", "1.0".to_owned()),
                ("datacontenttype", "application/json".to_owned()),
            ],
            payload: Bytes::from(vec![b'x'; payload]),
            timestamp: Timestamp(0),
            expires_in: Some(Duration::from_millis(1500)),
        }
    }

    fn reason(message: &Message) -> Option<Reason> {
        check(message, MqttVersion::V5, 10_000)
            .err()
            .map(|rejection| rejection.reason)
    }

    #[test]
    fn a_topic_that_breaks_the_connection_is_refused_before() {
        for topic in [
            "",
            "a/+/b",
            "a/#",
            "a\0b",
            "a\u{7}b",
            "a\u{85}b",
            "a\u{FFFE}b",
            &"x".repeat(65_536),
        ] {
            assert_eq!(
                reason(&message(topic, 1)),
                Some(Reason::TopicInvalid),
                "{topic:?}"
            );
        }

        assert_eq!(
            reason(&message("boxbridge/default/events/vip/大门 1", 1)),
            None
        );
    }

    #[test]
    fn an_attribute_that_breaks_the_connection_is_refused_before() {
        let mut message = message("a", 1);
        message.attributes.push(("subject", "a\0b".to_owned()));
        assert_eq!(reason(&message), Some(Reason::PayloadRefused));
        assert!(
            check(&message, MqttVersion::V3, 10_000).is_ok(),
            "version 3 has no attributes"
        );
    }

    #[test]
    fn a_packet_too_large_names_both_sizes() {
        let rejection =
            check(&message("a", 20_000), MqttVersion::V3, 10_000).expect_err("too large");
        assert_eq!(rejection.reason, Reason::TooLarge);
        assert_eq!(
            rejection.detail,
            "the packet has 20009 bytes, 10000 are allowed"
        );
    }

    #[test]
    fn the_size_is_the_librarys_own() {
        for payload in [0, 1, 50, 126, 16_300, 20_000, 3_000_000] {
            let message = message("topic", payload);
            let mut v3 = rumqttc::mqttbytes::v4::Publish::from_bytes(
                "topic",
                QoS::AtLeastOnce,
                message.payload.clone(),
            );
            v3.pkid = 1;
            assert_eq!(packet_size(&message, MqttVersion::V3), v3.size());

            let properties = super::super::v5::properties(&mut message.clone());
            let mut v5 = rumqttc::v5::mqttbytes::v5::Publish::new(
                "topic",
                rumqttc::v5::mqttbytes::QoS::AtLeastOnce,
                message.payload.clone(),
                Some(properties),
            );
            v5.pkid = 1;
            assert_eq!(packet_size(&message, MqttVersion::V5), v5.size());
        }
    }

    #[test]
    fn an_expiry_is_rounded_up_to_seconds() {
        assert_eq!(expiry_seconds(&message("a", 1)), Some(2));
    }
}
