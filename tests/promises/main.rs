//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod config;
mod kafka;
mod parts;
mod store;
