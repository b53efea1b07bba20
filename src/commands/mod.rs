//! The commands of the binary besides running the gateway. Each has `Options` for the command line and a `run`.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use boxbridge_proof::reconcile;

use boxbridge_config::Problems;
use boxbridge_event::PersonType;

pub mod check;
pub mod colour;
pub mod demo;
pub mod events;
pub mod kept;
pub mod operator;
pub mod proof;
pub mod queue;
pub mod schema;
pub mod senders;
pub mod status;
pub mod tell;

/// Wrong settings or arguments: nothing was started (sysexits.h EX_USAGE).
pub const EXIT_CONFIG: u8 = 64;
/// Something a command needs cannot be used: a gateway, a broker, a store, a file (sysexits.h EX_UNAVAILABLE). Not 2, which containers'
/// health checks reserve.
pub const EXIT_UNAVAILABLE: u8 = 69;

/// Whether the arguments or the settings are wrong.
pub fn is_usage(error: &anyhow::Error) -> bool {
    let of_reconcile = error
        .downcast_ref()
        .is_some_and(|e| matches!(e, reconcile::Error::Config(_) | reconcile::Error::Usage(_)));
    of_reconcile || error.is::<Problems>()
}

/// Whether somebody still reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    There,
    Gone,
}

/// Prints a line of a result. A reader that left (`… | head`) is no error, but the caller may stop printing. Any other failed write ends
/// the command: half a result must not look like a whole one.
pub fn say(text: &str) -> Reader {
    match writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush()) {
        Ok(()) => Reader::There,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Reader::Gone,
        Err(error) => {
            complain(&format!("the result cannot be written: {error}"));
            std::process::exit(EXIT_UNAVAILABLE.into())
        }
    }
}

/// Prints a line beside the result, on standard error, if somebody reads it.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what went wrong.
pub fn complain(text: &str) {
    note(&format!("boxbridge: {text}"));
}

/// Prints what is wrong with the settings; the exit code for it.
pub fn refuse(problems: &Problems) -> ExitCode {
    note(&problems.to_string());
    ExitCode::from(EXIT_CONFIG)
}

/// Reads the word of a person type, or says which there are.
pub fn person_type(word: &str) -> Result<PersonType, String> {
    let words: Vec<_> = PersonType::ALL
        .iter()
        .map(|person_type| person_type.as_str())
        .collect();
    PersonType::from_word(word).ok_or_else(|| format!("must be one of {}", words.join(" ")))
}
