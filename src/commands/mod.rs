//! What a person asks of the binary besides running it.

pub mod check;
pub mod queue;
pub mod schema;
