//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

#[cfg(feature = "embedded-broker")]
mod embedded;
mod mqtt;
mod parts;
