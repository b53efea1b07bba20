//! `queue.answer_from`: a box is answered once Kafka and the bucket have its event, or from the disk, which is said; and a stop that delivers
//! what waits.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::{base64, jpeg};

mod drained;
mod elsewhere;
mod killed;
mod refused;
mod rescued;
mod settings;
mod turned;

const FROM_KAFKA: (&str, &str) = ("QUEUE__ANSWER_FROM", "kafka");

/// Of an employee, with a picture that no other event has.
fn pictured(number: u64) -> Value {
    with_picture_of(number, 20_000)
}

fn with_picture_of(number: u64, bytes: usize) -> Value {
    let mut event = event(&number.to_string(), json!(1), "gate");
    event["ext_data"]["spot_pic"] = base64(&jpeg(number, bytes));
    event
}

/// How many boxes were answered from the disk, for this reason or for any.
fn from_disk(gateway: &Gateway, reason: &[(&str, &str)]) -> f64 {
    gateway.sum("boxbridge_ingest_answered_from_disk_total", reason)
}

fn accepted(gateway: &Gateway, outcome: &str) -> f64 {
    let outcome = [("outcome", outcome)];
    gateway.sum("boxbridge_ingest_events_total", &outcome)
}
