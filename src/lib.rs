//! boxbridge takes face-match events from AI boxes over HTTP, durably, and delivers them to MQTT topics, Kafka topics and object storage.
//!
//! A folder is a verb, something an event goes through; a file is a noun, something every stage shares. In the order of travel:

pub mod ingest; // 1. an HTTP request → bytes we are willing to read, and who sent them
pub mod normalize; // 2. bytes → one Event, its pictures taken out and named
pub mod queue; // 3. Event + pictures → durable record
pub mod route; // 4. record → the messages that leave
pub mod send; // 5. messages → the world

pub mod admin; // second listener: health, metrics
pub mod app; // builds everything, starts it, stops it in reverse
pub mod clock; // how old something is, by a wall clock that may be set
pub mod commands; // what a person asks of the binary besides running it
pub mod disk; // the way to the file system
pub mod fault; // a panic of ours ends one thing, and is said
pub mod gateway; // the straight line
pub mod metrics; // every metric of the process
pub mod volume; // what a file occupies, and who may read it

pub use boxbridge_config as config; // raw settings → checked Config
pub use boxbridge_event as event; // the nouns that cross stages
