//! What leaves for an event: topic, key, attributes and payload.

pub mod messages;
mod schema;
