//! A picture as HTTP gives it: whole or in part, or not again where the viewer has it.
//!
//! Promises: what was sent by a box is shown as an image or kept as a file, and never run: its type is one of ours, and a page that
//! it might pretend to be has no rights. A slow viewer holds a picture's memory only for as long as it goes on reading. Deliberately
//! sends one range only: where several are asked for, the whole picture.

use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::album::Held;
use boxbridge_event::PictureName;

/// Each has a deadline of its own to be read.
const PART_BYTES: usize = 64 << 10;

/// What anyone may do with what we answer: look at it.
pub const HARMLESS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Whether the viewer has this picture: a name means one content for ever.
pub fn is_known(name: &PictureName, headers: &HeaderMap) -> bool {
    let known = headers.get(header::IF_NONE_MATCH);
    known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            let mut tags = known.split(',').map(str::trim);
            tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == tag_of(name))
        })
}

/// The viewer shows what it has; `caching` is the value of Cache-Control.
pub fn not_modified(name: &PictureName, caching: &str) -> Response<Body> {
    with_headers(StatusCode::NOT_MODIFIED, name, caching, Body::empty())
}

/// The picture, or the part of it that is asked for.
pub fn picture(
    name: &PictureName,
    held: Held,
    headers: &HeaderMap,
    caching: &str,
) -> Response<Body> {
    let length = held.bytes.len();
    let (status, part) = match wanted(name, headers, length) {
        Wanted::All => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => return beyond_the_end(name, length, caching),
    };

    let said = format!(
        "bytes {}-{}/{length}",
        part.start,
        part.end.saturating_sub(1)
    );
    let body = PictureBody {
        rest: held.bytes.slice(part),
        _held: held,
    };
    let mut response = with_headers(status, name, caching, Body::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, value(name.media_type()));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition(name)));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(header::CONTENT_RANGE, value(&said));
    }
    response
}

fn beyond_the_end(name: &PictureName, length: usize, caching: &str) -> Response<Body> {
    let said = format!("bytes */{length}");
    let text = Body::from("the picture has no such part\n");
    let mut response = with_headers(StatusCode::RANGE_NOT_SATISFIABLE, name, caching, text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_RANGE, value(&said));
    headers.insert(header::CONTENT_TYPE, value("text/plain; charset=utf-8"));
    response
}

fn with_headers(
    status: StatusCode,
    name: &PictureName,
    caching: &str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;

    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, value(caching));
    headers.insert(header::ETAG, value(&tag_of(name)));
    headers.insert(header::ACCEPT_RANGES, value("bytes"));
    for (header, word) in HARMLESS {
        headers.insert(header, HeaderValue::from_static(word));
    }
    response
}

fn tag_of(name: &PictureName) -> String {
    format!("\"{}\"", name.sha256())
}

fn disposition(name: &PictureName) -> String {
    let kind = name.kind();
    let how = match name.is_image() {
        true => "inline",
        false => "attachment",
    };
    format!("{how}; filename=\"{kind}-{}\"", name.file())
}

/// Texts of ours all fit.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// How much of a picture is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<usize>),
    Nothing,
}

fn wanted(name: &PictureName, headers: &HeaderMap, length: usize) -> Wanted {
    let of = |header| {
        headers
            .get(header)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    let is_of_this = of(header::IF_RANGE).is_none_or(|tag| tag == tag_of(name));
    match of(header::RANGE) {
        Some(range) if is_of_this => part(range, length),
        _ => Wanted::All,
    }
}

/// RFC 9110, section 14.1.2: a range that is not understood is left out of account.
fn part(range: &str, length: usize) -> Wanted {
    let range = range.trim().strip_prefix("bytes=");
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };

    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has mean a place behind every end.
        true => Some(text.parse().unwrap_or(usize::MAX)),
        false => None,
    };
    let part = match (first.trim(), last.trim()) {
        ("", "") => return Wanted::All,
        ("", last) => number(last).map(|last| length.saturating_sub(last)..length),
        (first, "") => number(first).map(|first| first..length),
        (first, last) => number(first)
            .zip(number(last))
            .filter(|(first, last)| first <= last)
            .map(|(first, last)| first..last.saturating_add(1).min(length)),
    };
    match part {
        None => Wanted::All,
        Some(part) if part.start < part.end => Wanted::Part(part),
        Some(_) => Wanted::Nothing,
    }
}

/// Handed out in parts.
struct PictureBody {
    rest: Bytes,
    _held: Held,
}

impl hyper::body::Body for PictureBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len().min(PART_BYTES);
        let part = self.rest.split_to(length);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_means_the_bytes_that_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-99", Wanted::Part(0..10)),
            ("bytes=3-", Wanted::Part(3..10)),
            ("bytes= 3 - 5 ", Wanted::Part(3..6)),
            ("bytes=-4", Wanted::Part(6..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-3", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("items=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
    }
}
