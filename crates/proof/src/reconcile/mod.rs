//! `boxbridge reconcile`: a ledger of `boxbridge simulate` against what subscribers receive and what lies in the stores.
//!
//! Promises: the verdict rests on what a subscriber of MQTT, a reader of Kafka and a reader of a store can see, not on
//! anything that the gateway says of itself; where the measurement itself had a gap, the report says so. Deliberately never
//! writes to a bus, a topic or a store, and keeps nothing of messages that are not simulate's.

mod destination; // what one can look at, and what a topic is for
mod error;
mod judge; // ledger + arrivals + objects → the verdict
mod lines; // ledgers and recordings, line by line
mod options;
mod recorder; // listens, and writes down what arrives
mod recording; // the lines that it writes
mod report; // the verdict, for people and for machines
mod rules; // what the routes promise
mod run; // the course of a reconciliation
mod store_reader; // looks into a picture store

pub use destination::{BusKind, Stream};
pub use error::Error;
pub use judge::{Judge, StoredObject, judge};
pub use options::{Named, Options};
pub use recorder::{Progress, Recorder, Settings, Source, Sources};
pub use recording::{Arrival, Delivered, DeliveredPicture, Recorded};
pub use report::{BusReport, Doubt, Finding, Report, StoreReport, Strictness};
pub use rules::Rules;
pub use run::{Listening, judge_files, run, run_until};
