//! Who may ask what stands under `/api`: this machine itself, by its loopback address, and nobody on its behalf.
//!
//! Promises: a peer elsewhere, a name that a web page made point here, and a proxy on this machine that forwards for others are each
//! refused, with the reason. Deliberately no token yet: until there is one, nobody else is let in.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, FORWARDED, HOST, HeaderMap, VIA};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The other end of a connection; the listener puts it beside each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// What an error under `/api` says.
#[derive(Serialize)]
struct Complaint {
    code: &'static str,
    message: &'static str,
}

pub async fn only_this_machine(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    match why_not(peer, request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(message) => json(
            StatusCode::FORBIDDEN,
            &Complaint {
                code: "not_local",
                message,
            },
        ),
    }
}

pub async fn nothing_there() -> Response {
    json(
        StatusCode::NOT_FOUND,
        &Complaint {
            code: "not_found",
            message: "there is nothing at this path: /api/status is all so far",
        },
    )
}

pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default() + "\n";
    (
        status,
        [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response()
}

/// Why this request is not from this machine; `None` where it is.
fn why_not(peer: Option<Peer>, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback()) {
        return Some("/api answers only on the gateway's own machine, at 127.0.0.1 or [::1]");
    }

    let named = headers
        .get_all(HOST)
        .iter()
        .map(|host| Authority::try_from(host.as_bytes()).ok());
    let mut names = named.chain(uri.authority().cloned().map(Some)).peekable();
    if names.peek().is_none() || !names.all(|name| name.as_ref().is_some_and(is_loopback)) {
        return Some(
            "/api answers only where it is asked for by a loopback name: localhost, 127.0.0.1 or [::1]",
        );
    }

    let is_of_a_proxy = |name: &str| {
        name.starts_with("x-forwarded-") || name == "x-real-ip" || name == FORWARDED || name == VIA
    };
    if headers.keys().any(|name| is_of_a_proxy(name.as_str())) {
        return Some("/api does not answer through a proxy: it would let everybody in");
    }
    None
}

fn is_loopback(name: &Authority) -> bool {
    let host = name.host();
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let is_address = address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback());
    (is_address || host.eq_ignore_ascii_case("localhost")) && !name.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(peer: &str, target: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        why_not(
            Some(Peer(peer.parse().unwrap())),
            request.uri(),
            request.headers(),
        )
        .is_none()
    }

    #[test]
    fn only_the_machine_itself_is_let_in() {
        for host in [
            "127.0.0.1:9529",
            "127.8.8.8",
            "localhost:9529",
            "LocalHost",
            "[::1]:9529",
            "[::ffff:127.0.0.1]:1",
        ] {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert!(
                    is_let_in(peer, "/status", &[("host", host)]),
                    "{peer} {host}"
                );
            }
            for peer in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "0.0.0.0"] {
                assert!(
                    !is_let_in(peer, "/status", &[("host", host)]),
                    "{peer} {host}"
                );
            }
        }
    }

    #[test]
    fn a_name_that_a_web_page_made_point_here_is_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "edge-1:9529",
            "10.0.0.1",
            "u@localhost",
            "",
        ] {
            assert!(
                !is_let_in("127.0.0.1", "/status", &[("host", host)]),
                "{host}"
            );
        }
        assert!(!is_let_in("127.0.0.1", "/status", &[]), "no host");
        assert!(
            !is_let_in(
                "127.0.0.1",
                "/status",
                &[("host", "localhost"), ("host", "evil.example")]
            ),
            "two of them"
        );
        assert!(
            !is_let_in(
                "127.0.0.1",
                "http://evil.example/status",
                &[("host", "localhost")]
            ),
            "the target wins elsewhere"
        );
        assert!(is_let_in(
            "127.0.0.1",
            "http://localhost:9529/status",
            &[("host", "localhost:9529")]
        ));
    }

    #[test]
    fn a_proxy_on_the_same_machine_lets_nobody_in() {
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "x-forwarded-anything",
        ] {
            assert!(
                !is_let_in(
                    "127.0.0.1",
                    "/status",
                    &[("host", "localhost"), (name, "for=10.0.0.1")]
                ),
                "{name}"
            );
        }
    }
}
