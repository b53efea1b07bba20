//! Frames that are drawn over each other on a terminal, and one after the other elsewhere.
//!
//! Promises: the terminal is as it was when this is dropped: the frames are on the alternate screen. Deliberately asks nobody for the
//! terminal's size: each line has its place, and lines below the last row are not seen.

use std::io::{self, IsTerminal, Write};

use crate::commands::colour::shown;

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

pub enum Frames {
    InPlace,
    /// With `gap` between them; also the one frame that is shown once.
    Below {
        gap: &'static str,
        is_first: bool,
    },
}

impl Frames {
    /// In place where standard output is a terminal that can.
    pub fn in_place() -> Frames {
        let can = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !can || print(ENTER).is_err() {
            return Frames::below("\n");
        }
        Frames::InPlace
    }

    pub fn below(gap: &'static str) -> Frames {
        Frames::Below { gap, is_first: true }
    }

    /// `frame` may be painted.
    pub fn draw(&mut self, frame: &str) -> io::Result<()> {
        let frame = shown(frame, &io::stdout());

        match self {
            Frames::InPlace => {
                let lines = frame.lines().enumerate().map(|(row, line)| format!("\x1b[{};1H\x1b[2K{line}", row + 1));
                print(&format!("{}\x1b[J", lines.collect::<String>()))
            }
            Frames::Below { gap, is_first } => {
                let gap = if std::mem::replace(is_first, false) { "" } else { gap };
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

/// In one piece, so that no half of a frame is seen.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
