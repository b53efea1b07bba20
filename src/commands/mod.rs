//! What a person asks of the binary besides running it. Each command is an `Options` for the command line and a `run`.

use crate::config::Problems;

pub mod check;
pub mod colour;
pub mod demo;
pub mod queue;
pub mod reconcile;
pub mod schema;
pub mod simulate;
pub mod status;

/// Wrong settings or arguments: nothing was started (sysexits.h EX_USAGE).
pub const EXIT_CONFIG: u8 = 64;
/// What a command needs cannot be used: a gateway, a broker, a store, a file (sysexits.h EX_UNAVAILABLE). Not 2, which a container's
/// health check reserves.
pub const EXIT_UNAVAILABLE: u8 = 69;

/// Whether it is the arguments or the settings that are wrong.
pub fn is_usage(error: &anyhow::Error) -> bool {
    let of_reconcile = error.downcast_ref().is_some_and(|e| matches!(e, reconcile::Error::Config(_) | reconcile::Error::Usage(_)));
    of_reconcile || error.is::<Problems>()
}

/// Prints a result. Whoever does not read it to the end need not.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
