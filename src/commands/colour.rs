//! Colours where a terminal shows them, plain words everywhere else.

use std::io::{self, IsTerminal};

/// Whether words may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Ansi,
}

#[derive(Clone, Copy, Debug)]
pub enum Ink {
    Good,
    Bad,
    Odd,
    Faint,
    /// An alert that somebody must see.
    Alert,
    Vip,
    /// What a command says itself, among what it shows.
    Voice,
}

impl Colour {
    /// What standard output shows, unless <https://no-color.org> says no.
    pub fn of_terminal() -> Colour {
        let says_no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if io::stdout().is_terminal() && !says_no && !is_dumb { Colour::Ansi } else { Colour::Plain }
    }

    /// Widths are made before: codes have none.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Odd => "33",
            Ink::Faint => "2",
            Ink::Alert => "1;97;41",
            Ink::Vip => "1;33",
            Ink::Voice => "1;36",
        };
        if self == Colour::Plain { text.to_owned() } else { format!("\x1b[{code}m{text}\x1b[0m") }
    }

    pub fn paint_if(self, is_so: bool, ink: Ink, text: &str) -> String {
        if is_so { self.paint(ink, text) } else { text.to_owned() }
    }
}
