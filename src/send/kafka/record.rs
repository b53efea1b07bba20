//! A message as Kafka has it: its headers, and what it weighs.

use rdkafka::message::{Header, OwnedHeaders};

use super::FRAME_BYTES;
use boxbridge_event::Message;

/// CloudEvents' binary mode: `ce_<name>`, and the media type under Kafka's own name.
pub(super) fn headers(message: &Message) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(message.attributes.len());
    message
        .attributes
        .iter()
        .fold(empty, |headers, (name, value)| {
            let key = header_name(name);
            headers.insert(Header {
                key: &key,
                value: Some(value.as_bytes()),
            })
        })
}

fn header_name(attribute: &str) -> String {
    match attribute {
        "datacontenttype" => "content-type".to_owned(),
        name => format!("ce_{name}"),
    }
}

/// What the brokers weigh if it is alone in its batch and does not compress: at least the bytes on the wire.
pub(super) fn wire_bytes(message: &Message) -> usize {
    let attribute = |(name, value): &(&str, String)| name.len() + value.len() + 16;
    FRAME_BYTES
        + message.key.len()
        + message.payload.len()
        + message.attributes.iter().map(attribute).sum::<usize>()
}
