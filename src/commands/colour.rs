//! Colours by what they mean. A text carries them from where it is made; [`shown`] takes them out where a stream shows none.
//!
//! Whether a stream shows them is anstream's decision: a terminal that can, and no word against it (<https://no-color.org>, `CLICOLOR`).

use std::borrow::Cow;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice, adapter};
use anstyle::{AnsiColor, Color, Style};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const ODD: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();
/// An alert that somebody must see.
pub const ALERT: Style = AnsiColor::BrightWhite.on_default().bg_color(Some(Color::Ansi(AnsiColor::Red))).bold();
pub const VIP: Style = AnsiColor::Yellow.on_default().bold();
/// What a command says itself, among what it shows.
pub const VOICE: Style = AnsiColor::Cyan.on_default().bold();

/// Widths are made before: codes have none.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub fn paint_if(is_so: bool, style: Style, text: &str) -> String {
    if is_so { paint(style, text) } else { text.to_owned() }
}

/// A painted text as this stream shows it.
pub fn shown<'a>(text: &'a str, stream: &impl RawStream) -> Cow<'a, str> {
    if are_shown(stream) { Cow::Borrowed(text) } else { Cow::Owned(adapter::strip_str(text).to_string()) }
}

pub fn are_shown(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}
