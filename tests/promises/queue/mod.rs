//! The log on disk: what went in comes out, whatever the disk does.

mod basic;
mod full;
mod gone;
mod model;
mod refused;
mod rot;
pub mod support;
mod unread;
mod waiting;
mod witness;
