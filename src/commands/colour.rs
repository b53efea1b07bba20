//! Colours by their meaning. Texts are painted where they are made, and [`shown`] strips the colours if a stream shows none.
//!
//! anstream decides whether a stream shows them: it must be a terminal that can, and no variable may forbid it (<https://no-color.org>,
//! `CLICOLOR`).

use std::borrow::Cow;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice, adapter};
use anstyle::{AnsiColor, Color};

pub use anstyle::Style;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
pub const ODD: Style = AnsiColor::Yellow.on_default();
pub const FAINT: Style = Style::new().dimmed();
/// An alert that somebody must see.
pub const ALERT: Style = AnsiColor::BrightWhite
    .on_default()
    .bg_color(Some(Color::Ansi(AnsiColor::Red)))
    .bold();
pub const VIP: Style = AnsiColor::Yellow.on_default().bold();
/// A command's own remarks among the lines it shows.
pub const VOICE: Style = AnsiColor::Cyan.on_default().bold();

/// Paints a text. Pad it before: colour codes have no width.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub fn paint_if(is_so: bool, style: Style, text: &str) -> String {
    if is_so {
        paint(style, text)
    } else {
        text.to_owned()
    }
}

/// A painted text, without colours if this stream shows none.
pub fn shown<'a>(text: &'a str, stream: &impl RawStream) -> Cow<'a, str> {
    if are_shown(stream) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(adapter::strip_str(text).to_string())
    }
}

pub fn are_shown(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}
