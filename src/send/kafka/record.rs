//! A message as Kafka has it: its headers, and how much it weighs.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::batch::FRAME_BYTES;
use boxbridge_event::{Message, Sequence};

/// Its delivery report brings the sequence back, as a `usize`: every platform with a disk queue has 64 bits.
pub(super) fn record(sequence: Sequence, message: &Message) -> BaseRecord<'_, [u8], [u8], usize> {
    let record = BaseRecord::with_opaque_to(&message.topic, sequence.0 as usize)
        .key(message.key.as_bytes())
        .headers(headers(message))
        .timestamp(message.timestamp.0);

    // No event is empty: only what is forgotten, and without a payload the record is a tombstone.
    match message.payload.is_empty() {
        true => record,
        false => record.payload(message.payload.as_ref()),
    }
}

/// CloudEvents' binary mode: `ce_<name>`, and the media type under Kafka's own name.
pub(super) fn headers(message: &Message) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(message.attributes.len());
    let mut key = String::with_capacity(32);
    message
        .attributes
        .iter()
        .fold(empty, |headers, (name, value)| {
            write_header_name(name, &mut key);
            headers.insert(Header {
                key: &key,
                value: Some(value.as_bytes()),
            })
        })
}

/// What an attribute is called among a record's headers.
pub fn header_name(attribute: &str) -> String {
    let mut name = String::new();
    write_header_name(attribute, &mut name);
    name
}

/// The attribute that a header is; `None` for one that is none.
pub(super) fn attribute_name(header: &str) -> Option<&str> {
    match header {
        "content-type" => Some("datacontenttype"),
        header => header.strip_prefix("ce_"),
    }
}

fn write_header_name(attribute: &str, key: &mut String) {
    key.clear();
    match attribute {
        "datacontenttype" => key.push_str("content-type"),
        name => key.extend(["ce_", name]),
    }
}

/// Its weight for the brokers, alone in its batch and not compressed: at least the bytes on the wire.
pub(super) fn wire_bytes(message: &Message) -> usize {
    let attribute = |(name, value): &(&str, String)| name.len() + value.len() + 16;
    FRAME_BYTES
        + message.key.len()
        + message.payload.len()
        + message.attributes.iter().map(attribute).sum::<usize>()
}
