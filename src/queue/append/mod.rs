//! The way into the log: what waits to be written, and the one thread that writes it in groups.
//!
//! Promises: what is answered is synced; a refusal leaves the log as it was. Deliberately names those who follow in one place only,
//! `room.rs`: records that every cursor has passed make room for new ones.

mod allowance;
mod budget;
mod duplicates;
mod entry;
mod gauges;
mod group;
mod intake;
mod pending;
mod room;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

pub use budget::{Budget, Rules};
pub use duplicates::Duplicates;
pub use entry::{AppendError, Appended, Entry};
pub use gauges::Gauges;
pub use intake::{Intake, Next};
pub use room::ON_FULL;
pub use writer::{APPENDING, Shared, Writer};
