//! What a person asks of the binary besides running it. Each command is an `Options` for the command line and a `run`.

pub mod check;
pub mod colour;
pub mod demo;
pub mod queue;
pub mod reconcile;
pub mod schema;
pub mod simulate;
pub mod status;
