//! Finds the sender behind a trusted proxy by the header that the proxy writes: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! The header is read from the right. Each proxy appends the address that its request came from; a client can invent everything to the
//! left of the entries that trusted proxies wrote. Promises: the answer is the right-most address that is no trusted proxy. If an element
//! cannot be read (nonsense, `unknown`, `_hidden`), the answer is the address to its right, which a trusted proxy vouched for. Nothing is
//! allocated. Deliberately does not check who sent the request: the caller has found the proxy to be trusted.

use std::net::{IpAddr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

use super::{Hidden, Sender};
use boxbridge_config::{ForwardedBy, Networks};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request that came from the trusted `proxy`.
pub fn sender(proxy: IpAddr, headers: &HeaderMap, by: ForwardedBy, trusted: &Networks) -> Sender {
    let of_proxy = |hidden| Sender {
        address: proxy,
        hidden,
    };
    let (name, split, read): (HeaderName, Split, Read) = match by {
        ForwardedBy::XForwardedFor => (X_FORWARDED_FOR, split_last_plainly, address),
        ForwardedBy::Forwarded => (FORWARDED, |text| split_last(text, b','), of_element),
        ForwardedBy::ProxyProtocol => return of_proxy(None),
    };

    let mut found = of_proxy(Some(Hidden::Missing));
    let lines = headers.get_all(name).iter().rev();
    let elements = lines.flat_map(|line| from_the_right(line.as_bytes(), split));
    // RFC 9110 §5.6.1: an empty element of a list is none.
    for element in elements.filter(|element| !element.is_empty()) {
        let Some(address) = read(element) else {
            let hidden = Some(Hidden::Unreadable);
            return Sender { hidden, ..found };
        };

        let hidden = None;
        found = Sender { address, hidden };
        if !trusted.contains(address) {
            return found;
        }
    }
    found
}

/// The text before and after the last separator.
type Split = fn(&[u8]) -> (Option<&[u8]>, &[u8]);
type Read = fn(&[u8]) -> Option<IpAddr>;

/// The elements of a list, the last one first.
fn from_the_right(list: &[u8], split: Split) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let (before, element) = split(rest?);
        rest = before;
        Some(element.trim_ascii())
    })
}

/// The `for` of one element: `for=192.0.2.43;proto=http;by="[2001:db8::1]:80"`.
fn of_element(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in from_the_right(element, |text| split_last(text, b';')) {
        let Some((name, value)) = split_pair(pair) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    address(found?)
}

fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// The text before and after the last `separator` outside quotes. Reading from the right keeps an open quote of the client from
/// swallowing the entry that a proxy appended.
fn split_last(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;

    for (at, byte) in text.iter().enumerate().rev() {
        let before = text.get(..at).unwrap_or_default();
        if *byte == b'"' {
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\');
            is_quoted ^= escapes.count().is_multiple_of(2);
        } else if *byte == separator && !is_quoted {
            return (Some(before), text.get(at + 1..).unwrap_or_default());
        }
    }
    (None, text)
}

fn split_last_plainly(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match memchr::memrchr(b',', text) {
        Some(at) => (text.get(..at), text.get(at + 1..).unwrap_or_default()),
        None => (None, text),
    }
}

/// Reads `192.0.2.43`, `192.0.2.43:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each with or without quotes.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = node
        .strip_prefix(b"\"")
        .map_or(Some(node), |rest| rest.strip_suffix(b"\""))?;
    let node = std::str::from_utf8(node).ok()?;

    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }

    let (address, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.to_canonical(), port)
        }
        None => {
            let (address, port) = node.split_at_checked(node.find(':')?)?;
            (IpAddr::V4(address.parse().ok()?), port)
        }
    };

    (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)
}

/// RFC 7239 §6.2: digits, or a name with `_` that hides them.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty()
                && hidden
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
#[path = "forwarded/tests.rs"]
mod tests;
