//! boxbridge takes face-match events from AI boxes over HTTP, durably, and delivers them to MQTT topics, Kafka topics and object storage.
//!
//! Here is the gateway and nothing else: what must not know it is a crate (`crates/`). The five stages are named by verbs, and
//! an event passes through them in this order. Everything else is named by its noun. A folder holds the parts of the one
//! thing that it is named after.

pub mod ingest; // 1. an HTTP request → bytes we are willing to read, and who sent them
pub mod normalize; // 2. bytes → one Event, its pictures taken out and named
pub mod queue; // 3. Event + pictures → durable record
pub mod route; // 4. record → the messages that leave
pub mod send; // 5. messages → the world

// What joins them.
pub mod app; // builds everything, starts it, stops it in reverse
pub mod gateway; // the straight line

// What people use.
pub mod admin; // second listener: health, metrics
pub mod commands; // what a person asks of the binary besides running it
pub mod links; // pictures for people to look at
pub mod metrics; // every metric of the process

// What all of these need.
pub mod system; // the process and the machine under it: files, space, time, memory, panics
