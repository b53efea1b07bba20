//! How commands behave where they are not watched: in a pipe that ends, without a terminal, as another user, with nobody there; and as the page has them typed.

use std::process::{Command, Output};

use crate::parts::gateway::Gateway;

mod canaries;
mod pipes;
mod private;
mod refusals;
mod secrets;
mod settings;
mod typed;

fn boxbridge(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command.args(arguments).env_clear();
    command
}

/// A pipe that nobody reads any more, as `| head` leaves it.
fn gone() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn gateway() -> Gateway {
    Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("QUEUE__MAX_BYTES", "256MiB"),
    ])
}
