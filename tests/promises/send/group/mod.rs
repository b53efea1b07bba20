//! `from = "kafka"`: a broker gets its events out of the topics of a Kafka destination, shared out among gateways by a consumer group.

mod anew;
mod checked;
mod delivery;
pub mod doors;
mod drained;
mod first_start;
mod hostile;
mod late;
mod passed_over;
mod reload;
mod takeover;
mod traced;
