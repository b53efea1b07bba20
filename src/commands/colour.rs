//! Colours where a terminal shows them, plain words everywhere else.

use std::io::IsTerminal;

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
    /// What a terminal shows, unless <https://no-color.org> says no; nothing else shows any.
    pub fn of(stream: &impl IsTerminal) -> Colour {
        let says_no = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if stream.is_terminal() && !says_no && !is_dumb { Colour::Ansi } else { Colour::Plain }
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

    /// What was painted elsewhere, as it is shown here.
    pub fn repaint(self, text: &str) -> String {
        if self == Colour::Ansi {
            return text.to_owned();
        }
        let mut parts = text.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, rest)| rest))
    }

    pub fn paint_if(self, is_so: bool, ink: Ink, text: &str) -> String {
        if is_so { self.paint(ink, text) } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_painted_for_a_terminal_is_plain_elsewhere() {
        let painted = format!("── {} and {}", Colour::Ansi.paint(Ink::Alert, "now"), Colour::Ansi.paint(Ink::Faint, "then"));
        assert_eq!(Colour::Plain.repaint(&painted), "── now and then");
        assert_eq!(Colour::Ansi.repaint(&painted), painted);
        assert_eq!(Colour::Plain.repaint("plain"), "plain");
    }
}
