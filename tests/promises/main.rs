//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod config;
mod kafka;
mod mqtt;
mod documents;
mod normalize;
mod parts;
mod store;
mod simulate;
