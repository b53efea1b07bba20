//! Finds the sender behind a trusted proxy by the header that the proxy writes: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! The header is read from the right. Each proxy appends the address that its request came from; a client can invent everything to the
//! left of the entries that trusted proxies wrote. Promises: the answer is the right-most address that is no trusted proxy. If an element
//! cannot be read (nonsense, `unknown`, `_hidden`), the answer is the address to its right, which a trusted proxy vouched for. Nothing is
//! allocated. Deliberately does not check who sent the request: the caller has found the proxy to be trusted.

use std::net::{IpAddr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName};

use boxbridge_config::{ForwardedBy, Networks};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    pub address: IpAddr,
    /// Why nobody knows who is behind `address`, which is a trusted proxy.
    pub hidden: Option<Hidden>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// The proxy did not write the header.
    Missing,
    Unreadable,
}

impl Hidden {
    pub const fn as_str(self) -> &'static str {
        match self {
            Hidden::Missing => "missing",
            Hidden::Unreadable => "unreadable",
        }
    }
}

/// Who sent a request that came from the trusted `proxy`.
pub fn sender(proxy: IpAddr, headers: &HeaderMap, by: ForwardedBy, trusted: &Networks) -> Sender {
    let name = match by {
        ForwardedBy::XForwardedFor => X_FORWARDED_FOR,
        ForwardedBy::Forwarded => FORWARDED,
        ForwardedBy::ProxyProtocol => {
            return Sender {
                address: proxy,
                hidden: None,
            };
        }
    };

    let mut found = Sender {
        address: proxy,
        hidden: Some(Hidden::Missing),
    };
    for line in headers.get_all(name).iter().rev() {
        let mut rest = Some(line.as_bytes());
        while let Some(text) = rest {
            let (before, element) = match by {
                ForwardedBy::Forwarded => split_last(text, b','),
                _ => split_last_plainly(text),
            };
            rest = before;

            let element = element.trim_ascii();
            // RFC 9110 §5.6.1: an empty element of a list is none.
            if element.is_empty() {
                continue;
            }

            let address = if by == ForwardedBy::Forwarded {
                of_element(element)
            } else {
                address(element)
            };
            let Some(address) = address else {
                return Sender {
                    hidden: Some(Hidden::Unreadable),
                    ..found
                };
            };

            found = Sender {
                address,
                hidden: None,
            };

            if !trusted.contains(address) {
                return found;
            }
        }
    }
    found
}

/// The `for` of one element: `for=192.0.2.43;proto=http;by="[2001:db8::1]:80"`.
fn of_element(element: &[u8]) -> Option<IpAddr> {
    let (mut rest, mut found) = (Some(element), None);

    while let Some(text) = rest {
        let (before, pair) = split_last(text, b';');
        rest = before;

        let Some(equals) = memchr::memchr(b'=', pair) else {
            continue;
        };
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());

        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    address(found?)
}

/// The text before and after the last `separator` outside quotes. Reading from the right keeps an open quote of the client from
/// swallowing the entry that a proxy appended.
fn split_last(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut is_quoted = false;
    for at in (0..text.len()).rev() {
        if text[at] == b'"' {
            let escapes = text[..at]
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count();
            is_quoted ^= escapes.is_multiple_of(2);
        } else if text[at] == separator && !is_quoted {
            return (Some(&text[..at]), &text[at + 1..]);
        }
    }
    (None, text)
}

fn split_last_plainly(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match memchr::memrchr(b',', text) {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
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
            let (address, _) = node.split_once(':')?;
            (IpAddr::V4(address.parse().ok()?), &node[address.len()..])
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
