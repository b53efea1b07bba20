//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod config;
mod documents;
mod http;
mod kafka;
#[cfg(feature = "embedded-broker")]
mod embedded;
mod main_job;
mod mqtt;
mod normalize;
mod parts;
mod queue_basic;
mod queue_full;
mod queue_support;
mod reconcile;
mod simulate;
