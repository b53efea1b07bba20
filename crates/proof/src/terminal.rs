//! One line on the terminal that is drawn over itself: how far something is.
//!
//! Promises: it is wiped at the end, and a terminal that is gone disturbs nothing. Deliberately on standard error, so that results can
//! be piped.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Whether it is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    Drawn,
    Hidden,
}

const REDRAW_EVERY: Duration = Duration::from_millis(200);

impl Terminal {
    /// Drawn for a person who looks at it.
    pub fn for_people(wants_json: bool) -> Terminal {
        match std::io::stderr().is_terminal() && !wants_json {
            true => Terminal::Drawn,
            false => Terminal::Hidden,
        }
    }

    /// Shows what `text` says, again and again until `done`.
    pub async fn draw(self, done: CancellationToken, text: impl Fn() -> String) {
        if self == Terminal::Hidden {
            return done.cancelled().await;
        }

        let mut redraw = tokio::time::interval(REDRAW_EVERY);
        while done.run_until_cancelled(redraw.tick()).await.is_some() {
            show(&text());
        }
        show("");
    }
}

fn show(line: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush());
}
