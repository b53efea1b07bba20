//! The boxes' paths: which one a request asks for, and how logs show a path.
//!
//! Promises: a mistyped path (doubled slashes; blanks, commas or slashes at the end) is taken for the path that was meant. No token that
//! a URL may carry is ever written to a log. Deliberately resolves no dots: nobody types `..` by mistake.

use std::borrow::Cow;

/// The boxes' paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Realtime,
    History,
    Status,
}

/// Endings of a path that are ignored.
const ENDINGS: [&str; 7] = ["/", " ", ",", "%20", "%2c", "%2C", "%09"];
/// This many characters of a token's alphabet in a row may be a token.
const TOKEN_MIN: usize = 20;
/// The segment before a token: `/t/TOKEN/…`.
const TOKEN_BEHIND: &str = "t";
/// Long enough to recognise a path.
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

    pub fn of(uri: &hyper::Uri, settings: &boxbridge_config::Ingest) -> Option<Path> {
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

/// The path without ignored endings, and with single slashes.
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

/// The path as logs and the quarantine show it: decoded, without anything that could be a token.
pub fn shown(path: &str) -> String {
    let decoded: String = decode(path)
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect();
    let mut shown = String::new();

    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        let is_behind = shown
            .rsplit('/')
            .next()
            .is_some_and(|last| last.eq_ignore_ascii_case(TOKEN_BEHIND));
        shown.push('/');
        if is_behind {
            shown.push('…');
            break;
        }
        shown.push_str(if may_be_token(segment) {
            "…"
        } else {
            segment
        });

        if shown.len() > SHOWN_MAX {
            shown.truncate(shown.floor_char_boundary(SHOWN_MAX));
            shown.push('…');
            break;
        }
    }

    if shown.is_empty() {
        "/".to_owned()
    } else {
        shown
    }
}

fn may_be_token(segment: &str) -> bool {
    segment
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .any(|run| run.len() >= TOKEN_MIN)
}

fn decode(path: &str) -> String {
    let (bytes, mut decoded, mut at) = (path.as_bytes(), Vec::with_capacity(path.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok());
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
        for path in [
            format!("/x/{token}"),
            format!("/x/{token}.json"),
            format!("/x/%{:x}{}", token.as_bytes()[0], &token[1..]),
        ] {
            assert_eq!(shown(&path), "/x/…", "{path}");
        }
        assert!(shown(&"/ä".repeat(500)).len() < 200);
    }
}
