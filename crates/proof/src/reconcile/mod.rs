//! `boxbridge reconcile`: a ledger of `boxbridge simulate` against what subscribers receive and what lies in the store.
//!
//! Promises: the verdict rests on what a subscriber of MQTT, a reader of Kafka and a reader of the store can see, not on
//! anything that the gateway says of itself; where the measurement itself had a gap, the report says so. Deliberately never
//! writes to a bus, a topic or a store, and keeps nothing of messages that are not simulate's.

mod bus; // the two buses, and what a topic is for
mod compare; // what was delivered against what was sent, field by field
mod error;
mod expected; // the ledger in memory
mod judge; // ledger + arrivals + objects → the verdict
mod kafka_reader; // listens to Kafka
mod lines; // ledgers and recordings, line by line
mod mqtt_subscriber; // listens to MQTT
mod objects; // what lies in the store against what the messages say
mod options;
mod recorder; // listens, and writes down what arrives
mod recording; // the lines that it writes
mod report; // the verdict, for people and for machines
mod rules; // what the routes promise
mod run; // the course of a reconciliation
mod sink; // where the listeners put what they received
mod store_reader; // looks into the picture store
mod witness; // what one bus has shown of each event

pub use bus::{Bus, Stream};
pub use error::Error;
pub use judge::{Judge, judge};
pub use objects::StoredObject;
pub use options::Options;
pub use recorder::{Progress, Recorder, Sources};
pub use recording::{Arrival, Delivered, DeliveredPicture, Recorded};
pub use report::{BusReport, Finding, Report, StoreReport};
pub use rules::Rules;
pub use run::{judge_files, run_until};
