//! The log on disk: what went in comes out, whatever the disk does.

mod from_outside;
mod full;
mod missing_segments;
mod model;
mod order;
mod recent;
mod refused;
mod restarts;
mod rot;
pub mod support;
mod unread;
mod witness;
