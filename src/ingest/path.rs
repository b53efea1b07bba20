//! The boxes' paths: which one a request asks for, the token in it, and how logs show a path.
//!
//! Promises: a mistyped path (doubled slashes; blanks, commas or slashes at the end) is taken for the path that was meant. `/t/TOKEN` before a
//! path belongs to the token: the rest is the path. No token that a URL may carry is ever written to a log. Deliberately resolves no dots: nobody types `..` by mistake.

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
const TOKEN_BEFORE: &str = "/t/";
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
        let (_, path) = split_token(&path);

        let among = |paths: &[String]| paths.iter().any(|known| known.eq_ignore_ascii_case(path));
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

/// The token in a path, decoded.
pub fn token(uri: &hyper::Uri) -> Option<String> {
    let path = meant(uri.path());
    let (token, _) = split_token(&path);
    token.map(decode)
}

/// `/t/TOKEN/RealTimeEvent` → the token, and `/RealTimeEvent`. In `/t/RealTimeEvent` the token is missing.
fn split_token(path: &str) -> (Option<&str>, &str) {
    let behind = path.split_at_checked(TOKEN_BEFORE.len());
    let behind = behind.filter(|(before, _)| before.eq_ignore_ascii_case(TOKEN_BEFORE));
    let Some((_, behind)) = behind else {
        return (None, path);
    };

    match behind.split_once('/').map(|(token, _)| token) {
        Some(token) => (Some(token), behind.get(token.len()..).unwrap_or_default()),
        None => (None, path.get(TOKEN_BEFORE.len() - 1..).unwrap_or_default()),
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
    let visible: String = decode(path)
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect();
    let (mut shown, mut before) = (String::new(), "");

    for segment in visible.split('/').filter(|segment| !segment.is_empty()) {
        let is_behind = before.eq_ignore_ascii_case(TOKEN_BEHIND);
        let is_hidden = is_behind || may_be_token(segment);
        shown.push('/');
        shown.push_str(if is_hidden { "…" } else { segment });
        if is_behind {
            break;
        }

        if shown.len() > SHOWN_MAX {
            shown.truncate(shown.floor_char_boundary(SHOWN_MAX));
            shown.push('…');
            break;
        }
        before = segment;
    }

    match shown.is_empty() {
        true => "/".to_owned(),
        false => shown,
    }
}

fn may_be_token(segment: &str) -> bool {
    segment
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .any(|run| run.len() >= TOKEN_MIN)
}

fn decode(path: &str) -> String {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(path.len());

    while let [byte, after @ ..] = rest {
        let (meant, after) = escaped(rest).unwrap_or((*byte, after));
        decoded.push(meant);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The byte that an escape such as `%2f` at the beginning of `bytes` means, and the bytes behind it.
fn escaped(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = bytes.strip_prefix(b"%")?.split_first_chunk::<2>()?;
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, after))
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
    fn a_token_in_the_path_is_taken_out_of_it() {
        for (typed, token, path) in [
            ("/t/abc/RealTimeEvent", Some("abc"), "/RealTimeEvent"),
            ("//T//abc//RealTimeEvent/,", Some("abc"), "/RealTimeEvent"),
            ("/t/%61b%63/a/b", Some("abc"), "/a/b"),
            ("/t/a%2Fb/x", Some("a/b"), "/x"),
            ("/t//RealTimeEvent", None, "/RealTimeEvent"),
            ("/t/RealTimeEvent", None, "/RealTimeEvent"),
            ("/t/", None, "/t"),
            ("/tt/abc/RealTimeEvent", None, "/tt/abc/RealTimeEvent"),
            ("/x/t/abc", None, "/x/t/abc"),
            ("/", None, ""),
        ] {
            let uri: hyper::Uri = typed.parse().unwrap();
            let found = super::token(&uri);
            let meant = meant(uri.path());
            assert_eq!(
                (found.as_deref(), split_token(&meant).1),
                (token, path),
                "{typed}"
            );
        }
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
