//! Where there are no tokens: this machine itself may ask, by its loopback address, and nobody on its behalf.
//!
//! Promises: a peer elsewhere, a name that a web page made point here, and a proxy on this machine that forwards for others are each
//! refused, with the reason.

use std::net::IpAddr;

use axum::http::Uri;
use axum::http::header::{FORWARDED, HOST, HeaderMap, HeaderValue, VIA};
use axum::http::uri::Authority;

use super::{Caller, Complaint, ORIGIN, Peer, forbidden};

pub fn only_this_machine(
    peer: Option<Peer>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Caller, Complaint> {
    match (peer, why_not(peer, uri, headers)) {
        (Some(Peer(from)), None) => Ok(Caller {
            who: "local".to_owned(),
            from: from.to_canonical(),
        }),
        (_, why) => Err(forbidden("not_local", why.unwrap_or(ELSEWHERE))),
    }
}

impl Caller {
    /// Somebody with a shell, who has a command change what a stopped gateway keeps.
    pub fn of_a_command() -> Caller {
        Caller {
            who: format!("user:{}", rustix::process::getuid().as_raw()),
            from: IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// Whether a page of the web sends it that does not come from here itself.
pub fn is_of_another_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let here: Vec<_> = names(uri, headers).flatten().collect();
    let is_here = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
        origin.is_some_and(|(_, origin)| {
            here.iter()
                .any(|here| here.as_str().eq_ignore_ascii_case(origin))
        })
    };

    // By this header a browser says which page asks (W3C Fetch Metadata); `none` is a person who typed the address. Another port of this
    // machine is the same site, and another page.
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let is_ours = sites.all(|site| site == "same-origin" || site == "none");
    !is_ours || !headers.get_all(ORIGIN).iter().all(is_here)
}

/// Every name by which the request calls us; `None` for one that is none.
fn names(uri: &Uri, headers: &HeaderMap) -> impl Iterator<Item = Option<Authority>> {
    let named = headers
        .get_all(HOST)
        .iter()
        .map(|host| Authority::try_from(host.as_bytes()).ok());
    named.chain(uri.authority().cloned().map(Some))
}

const ELSEWHERE: &str = "/api answers only on the gateway's own machine, at 127.0.0.1 or [::1]; admin.token_file opens it to others";

/// Why this request is not from this machine; `None` where it is.
fn why_not(peer: Option<Peer>, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback()) {
        return Some(ELSEWHERE);
    }

    let mut names = names(uri, headers).peekable();
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
        let mut request = axum::http::Request::builder().uri(target);
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
    fn a_page_of_the_web_is_told_from_our_own_by_its_origin() {
        let is_foreign = |origin: Option<&str>, site: Option<&str>| {
            let mut request = axum::http::Request::builder().header("host", "Gate:9529");
            request = origin
                .into_iter()
                .fold(request, |request, origin| request.header("origin", origin));
            request = site.into_iter().fold(request, |request, site| {
                request.header("sec-fetch-site", site)
            });
            let request = request.uri("/aside/drop").body(()).unwrap();
            is_of_another_page(request.uri(), request.headers())
        };
        assert!(!is_foreign(None, None), "a command sends none");
        for ours in ["http://gate:9529", "https://GATE:9529"] {
            assert!(!is_foreign(Some(ours), Some("same-origin")), "{ours}");
        }
        for theirs in [
            "http://gate",
            "http://evil.example",
            "null",
            "gate:9529",
            "http://gate:9529.evil.example",
        ] {
            assert!(is_foreign(Some(theirs), None), "{theirs}");
        }
        assert!(!is_foreign(None, Some("none")), "a person typed it");
        for theirs in ["cross-site", "same-site"] {
            assert!(is_foreign(None, Some(theirs)), "{theirs}");
        }
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
