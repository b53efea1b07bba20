//! What a person asks of the binary besides running it. Each command is an `Options` for the command line and a `run`.

pub mod check;
pub mod colour;
pub mod demo;
pub mod queue;
pub mod reconcile;
pub mod schema;
pub mod simulate;
pub mod status;

/// Prints a result. Whoever does not read it to the end need not.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
