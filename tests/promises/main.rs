//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod parts;
mod reconcile;
mod simulate;
