//! The boxes' paths: which one was asked, and how a path is written down.
//!
//! Promises: what technicians type and firmware makes of it (doubled slashes; blanks, commas or slashes at the end) is the path that was
//! meant; no token that a URL may carry is ever written. Deliberately resolves no dots: nobody asks for `..` by mistake.

use std::borrow::Cow;

use crate::config;

/// Which of the boxes' paths was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Realtime,
    History,
    Status,
}

/// What may stand at the end of a path and is none of it.
const ENDINGS: [&str; 7] = ["/", " ", ",", "%20", "%2c", "%2C", "%09"];
/// A segment with so many characters of a token's alphabet in a row may be one.
const TOKEN_MIN: usize = 20;
/// What a token follows.
const TOKEN_BEHIND: &str = "t";
/// Enough to see what was meant.
const SHOWN_MAX: usize = 160;

impl Path {
    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Path::Realtime => "realtime",
            Path::History => "history",
            Path::Status => "status",
        }
    }

    pub fn of(uri: &hyper::Uri, settings: &config::Ingest) -> Option<Path> {
        let path = meant(uri.path());
        let among = |paths: &[String]| paths.iter().any(|known| known.eq_ignore_ascii_case(&path));
        if among(&settings.realtime_paths) {
            Some(Path::Realtime)
        } else if among(&settings.history_paths) {
            Some(Path::History)
        } else if among(&settings.status_paths) {
            Some(Path::Status)
        } else {
            None
        }
    }
}

/// The path without what is none of it, and with single slashes.
fn meant(path: &str) -> Cow<'_, str> {
    let mut path = path;
    while let Some(rest) = ENDINGS.iter().find_map(|ending| path.strip_suffix(ending)) {
        path = rest;
    }
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Cow::Owned(segments.flat_map(|segment| ["/", segment]).collect())
}

/// How a path stands in logs and in quarantine: decoded, without anything that could be a token.
pub fn shown(path: &str) -> String {
    let decoded: String = decode(path).chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let mut shown = String::new();
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        let is_behind = shown.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(TOKEN_BEHIND));
        shown.push('/');
        if is_behind {
            shown.push('…');
            break;
        }
        shown.push_str(if may_be_token(segment) { "…" } else { segment });
        if shown.len() > SHOWN_MAX {
            shown.truncate(shown.floor_char_boundary(SHOWN_MAX));
            shown.push('…');
            break;
        }
    }
    if shown.is_empty() { "/".to_owned() } else { shown }
}

fn may_be_token(segment: &str) -> bool {
    segment
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .any(|run| run.len() >= TOKEN_MIN)
}

fn decode(path: &str) -> String {
    let (bytes, mut decoded, mut at) = (path.as_bytes(), Vec::with_capacity(path.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(meant) => {
                decoded.push(meant);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_by_mistake_means_the_path() {
        for typed in [
            "/RealTimeEvent",
            "//RealTimeEvent",
            "/RealTimeEvent,",
            "/RealTimeEvent%20",
            "/RealTimeEvent//",
            "///RealTimeEvent%20,/",
        ] {
            assert_eq!(meant(typed), "/RealTimeEvent", "{typed}");
        }
        assert_eq!(meant("/x/../RealTimeEvent"), "/x/../RealTimeEvent");
        assert_eq!(meant("/"), "");
    }

    #[test]
    fn no_token_is_written() {
        let token = "dGhpcy1pcy1hLXRva2Vu";
        for (path, expect) in [
            ("/t/abc/RealTimeEvent", "/t/…"),
            ("/T%2fabc/RealTimeEvent", "/T/…"),
            ("//t//abc", "/t/…"),
            ("/RealTimeEvent/%41bc", "/RealTimeEvent/Abc"),
            ("/a%0d%0ab", "/a??b"),
            ("", "/"),
        ] {
            assert_eq!(shown(path), expect, "{path}");
        }
        for path in [format!("/x/{token}"), format!("/x/{token}.json"), format!("/x/%{:x}{}", token.as_bytes()[0], &token[1..])] {
            assert_eq!(shown(&path), "/x/…", "{path}");
        }
        assert!(shown(&"/ä".repeat(500)).len() < 200);
    }
}
