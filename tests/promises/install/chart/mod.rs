//! The Helm chart: what it renders, what it refuses, and that the program takes the settings it writes.
//!
//! Each file in `tests/chart` is a set of values that must hold all through: adding one is adding a file. Each in `tests/chart/refused`
//! opens with the exact lines it is answered with.

mod cluster;
mod config;
mod delivery;
mod helm;
mod lint;
mod live;
mod objects;
mod pod;
mod refused;
mod schema;
mod text;
