//! The Kafka destination against a real broker: order, refusals by class, outages, TLS and passwords.

mod aside;
mod delivery;
mod doors;
mod drive;
mod missing_topics;
mod refusals;
mod topics;
