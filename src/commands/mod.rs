//! What a person asks of the binary besides running it. Each command is an `Options` for the command line and a `run`.

pub mod reconcile;
pub mod simulate;
