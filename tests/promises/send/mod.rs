//! The destinations, each against the real server that it speaks to.

mod consumers;
mod destinations;
#[cfg(feature = "embedded-broker")]
mod embedded;
pub mod group;
mod kafka;
mod keys;
mod mqtt;
pub mod session;
mod store;
