//! The token that a request shows, and what it opens. It stands in the path, in the query, or in `Authorization`: a box can only be given a URL.
//!
//! Promises: a token is hashed where it is found, and goes no further: neither into a log nor into an answer. Tokens in two places that differ
//! open nothing: nobody knows which one was meant. Deliberately says to who shows none of ours no more than that.

use std::net::IpAddr;

use axum::http::request::Parts;
use hyper::header::{AUTHORIZATION, HeaderValue};

use crate::ingest::{head, path};
use boxbridge_config::{BoxToken, TokenHash, Tokens, token_hash};
use boxbridge_event::{Authenticated, BoxPass, Code, Refusal, Timestamp};

/// The parameter of the query.
const NAME: &str = "token";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Nothing,
    One(TokenHash),
    Several,
}

/// What the token of a request lets its sender in with.
pub fn pass(tokens: &Tokens, parts: &Parts, sender: IpAddr) -> Result<BoxPass, Refusal> {
    let refused = |code, message: &str| Err(Refusal::new(code, message));
    let shown = match shown(parts) {
        Shown::One(shown) => shown,
        Shown::Nothing => {
            let message = "a token is needed: /t/TOKEN before the path, ?token=TOKEN behind it, or Authorization: Bearer TOKEN";
            return refused(Code::TokenMissing, message);
        }
        Shown::Several => return refused(Code::TokenWrong, "two different tokens are shown"),
    };

    let Some(token) = tokens.find(&shown) else {
        return refused(Code::TokenWrong, "this token opens nothing");
    };
    if token.is_over(Timestamp::now()) {
        return refused(Code::TokenExpired, "the time of this token is over");
    }
    if !token.networks.is_empty() && !token.networks.contains(sender) {
        let message = format!("{sender} is in none of the networks that this token is for");
        return refused(Code::SourceForbidden, &message);
    }
    Ok(of(token))
}

fn of(token: &BoxToken) -> BoxPass {
    BoxPass {
        authenticated: Authenticated::Token,
        site: Some(token.site.clone()),
        device: token.device.clone(),
        number: Some(token.number()),
    }
}

/// Whether a request shows any.
pub fn is_shown(parts: &Parts) -> bool {
    shown(parts) != Shown::Nothing
}

fn shown(parts: &Parts) -> Shown {
    let in_url = path::token(&parts.uri).into_iter();
    let in_url = in_url.chain(head::queries(parts, NAME));
    let headers = parts.headers.get_all(AUTHORIZATION).iter();
    let in_headers = headers.filter_map(bearer).map(<[u8]>::to_vec);

    let all = in_url.map(String::into_bytes).chain(in_headers);
    let written = all.filter(|token| !token.is_empty());
    let mut hashes = written.map(|token| token_hash(&token));
    match hashes.next() {
        None => Shown::Nothing,
        Some(first) if hashes.all(|other| other == first) => Shown::One(first),
        Some(_) => Shown::Several,
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme in any case (RFC 9110 section 11.1).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
    is_bearer.then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str, authorizations: &[&str]) -> Parts {
        let mut request = hyper::Request::builder().uri(target);
        for value in authorizations {
            request = request.header(AUTHORIZATION, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_token_is_found_wherever_it_stands_and_however_it_is_written() {
        let one = Shown::One(token_hash(b"abc"));
        for (target, authorizations) in [
            ("/t/abc/RealTimeEvent", &[][..]),
            ("//T//%61bc//RealTimeEvent/", &[]),
            ("/RealTimeEvent?token=abc", &[]),
            ("/RealTimeEvent?site=x&token=%61bc", &[]),
            ("/RealTimeEvent", &["Bearer abc"]),
            ("/RealTimeEvent", &["bEARER   abc "]),
            ("/RealTimeEvent", &["Basic eDp5", "Bearer abc"]),
            ("/t/abc/RealTimeEvent?token=abc", &["Bearer abc"]),
        ] {
            assert_eq!(shown(&parts(target, authorizations)), one, "{target}");
        }
    }

    #[test]
    fn none_is_none_and_two_that_differ_are_not_one() {
        for (target, authorizations) in [
            ("/RealTimeEvent", &[][..]),
            ("/t//RealTimeEvent", &[]),
            ("/t/RealTimeEvent?token=", &["Bearer ", "Bearer"]),
            ("/RealTimeEvent?Token=abc", &["Basic abc", "abc"]),
        ] {
            assert_eq!(
                shown(&parts(target, authorizations)),
                Shown::Nothing,
                "{target}"
            );
        }
        for (target, authorizations) in [
            ("/t/abc/RealTimeEvent?token=abd", &[][..]),
            ("/RealTimeEvent?token=abc&token=abd", &[]),
            ("/t/abc/RealTimeEvent", &["Bearer abd"]),
            ("/RealTimeEvent", &["Bearer abc", "Bearer abd"]),
        ] {
            assert_eq!(
                shown(&parts(target, authorizations)),
                Shown::Several,
                "{target}"
            );
        }
    }
}
