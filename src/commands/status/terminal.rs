//! Draws frames over each other on a terminal, and below each other elsewhere.
//!
//! Promises: dropping this restores the terminal, since frames are on the alternate screen. Deliberately does not ask for the terminal's
//! size: each line has its row, and lines below the last row are not seen.

use std::io::{self, IsTerminal, Write};

use crate::commands::colour::shown;

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

pub enum Frames {
    InPlace,
    /// With `gap` between frames; also for a single frame.
    Below {
        gap: &'static str,
        is_first: bool,
    },
}

impl Frames {
    /// Draws in place if standard output is a terminal that can.
    pub fn in_place() -> Frames {
        let can = io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !can || print(ENTER).is_err() {
            return Frames::below("\n");
        }
        Frames::InPlace
    }

    pub fn below(gap: &'static str) -> Frames {
        Frames::Below {
            gap,
            is_first: true,
        }
    }

    /// Draws a frame, which may be painted.
    pub fn draw(&mut self, frame: &str) -> io::Result<()> {
        let frame = shown(frame, &io::stdout());

        match self {
            Frames::InPlace => {
                let lines = frame
                    .lines()
                    .enumerate()
                    .map(|(row, line)| format!("\x1b[{};1H\x1b[2K{line}", row + 1));
                print(&format!("{}\x1b[J", lines.collect::<String>()))
            }
            Frames::Below { gap, is_first } => {
                let gap = if std::mem::replace(is_first, false) {
                    ""
                } else {
                    gap
                };
                print(&format!("{gap}{frame}"))
            }
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if matches!(self, Frames::InPlace) {
            let _ = print(LEAVE);
        }
    }
}

/// Prints in one piece, so that nobody sees half a frame.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
