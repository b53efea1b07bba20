//! The log on disk: what went in comes out, whatever the disk does.

mod from_outside;
mod full;
mod lost;
mod model;
mod order;
mod recent;
mod refused;
mod replays;
mod restarts;
mod search;
pub mod support;
