//! The log on disk: what went in comes out, whatever the disk does.

mod basic;
mod copies;
mod full;
mod model;
mod refused;
mod rot;
pub mod support;
mod unread;
mod witness;
