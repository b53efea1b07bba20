//! The way into the log: what waits to be written, and the one thread that writes it in groups.
//!
//! Promises: what is answered is synced; a refusal leaves the log as it was. Deliberately names those who follow in one place only,
//! `make_space.rs`: records that every cursor has passed give way to new ones.

mod disk_limits;
mod duplicates;
mod entry;
mod gauges;
mod group;
mod intake;
mod make_space;
mod pending;
#[cfg(test)]
mod tests;
mod trouble;
mod write_budget;
mod writer;

pub use disk_limits::{DiskLimits, Rules};
pub use duplicates::Duplicates;
pub use entry::{AppendError, Appended, Entry, Original};
pub use gauges::Gauges;
pub use intake::{Intake, Next};
pub use make_space::ON_FULL;
pub use writer::{APPENDING, Shared, Writer};
