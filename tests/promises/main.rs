//! The promises of boxbridge, against real brokers and stores. One binary: it links once.

mod parts;
mod queue_basic;
mod queue_full;
mod queue_model;
mod queue_rot;
mod queue_support;
