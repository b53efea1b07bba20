//! Colours, where a terminal shows them; plain text everywhere else.

use std::fmt::Display;
use std::io::IsTerminal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Colored,
}

#[derive(Clone, Copy, Debug)]
pub enum Ink {
    /// An alert that somebody must see.
    Alert,
    Vip,
    Waiting,
    /// What the demo says itself.
    Voice,
    Faint,
}

impl Style {
    /// What standard output can show; <https://no-color.org> is respected.
    pub fn of_terminal() -> Style {
        match std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
            true => Style::Colored,
            false => Style::Plain,
        }
    }

    pub fn paint(self, ink: Ink, text: impl Display) -> String {
        let code = match ink {
            Ink::Alert => "1;97;41",
            Ink::Vip => "1;33",
            Ink::Waiting => "33",
            Ink::Voice => "1;36",
            Ink::Faint => "2",
        };
        match self {
            Style::Plain => text.to_string(),
            Style::Colored => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}
