//! Sessions of the console: a cookie that its token signs, and that is worth nothing without it.
//!
//! Promises: one is over 12 hours after the login, when somebody logs out, and when its token is taken from the file. It survives a restart,
//! and every gateway with the same tokens takes it: a wall in a guard's room goes on. Bounded in memory: only those that were logged out are
//! remembered. Deliberately in memory alone: a cookie that somebody copied before the log-out opens again after a restart, until its 12 hours are over.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Hash;

/// A shift and its handing over.
const LASTS: Duration = Duration::from_secs(12 * 3600);
/// The clocks of two gateways.
const APART: Duration = Duration::from_secs(60);
pub const NAME: &str = "boxbridge_session";
/// What the signature is for: no other use of a token makes the same.
const PURPOSE: &[u8] = b"boxbridge console session 1";
/// Of these, the one that would be over first is forgotten.
const ENDED_MAX: usize = 1_024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub token: Hash,
    /// Seconds since 1970.
    ends: u64,
    number: Number,
}

type Number = [u8; 16];
/// When it ends, its number, the signature.
type Signed = [u8; 8 + 16 + 32];

impl Session {
    pub fn begin(token: Hash) -> Session {
        Session {
            token,
            ends: now() + LASTS.as_secs(),
            number: uuid::Uuid::new_v4().into_bytes(),
        }
    }

    /// The one that the request shows, if one of the tokens signed it and it is not over.
    pub fn shown(headers: &HeaderMap, tokens: &[Hash]) -> Option<Session> {
        let mut read = [0; size_of::<Signed>() + 2];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(cookie(headers)?, &mut read);
        let signed = read.get(..length.ok()?)?;

        let (ends, rest) = signed.split_first_chunk::<8>()?;
        let (number, signature) = rest.split_first_chunk::<16>()?;
        let session = |token: &Hash| Session {
            token: *token,
            ends: u64::from_be_bytes(*ends),
            number: *number,
        };
        let mut sessions = tokens.iter().map(session);
        let is_signed = |session: &Session| {
            session
                .signer()
                .is_some_and(|it| it.verify_slice(signature).is_ok())
        };
        sessions
            .find(is_signed)
            .filter(|found| !found.is_over(now()))
    }

    fn is_over(&self, now: u64) -> bool {
        // One that ends later than any that begins now was begun by a clock that went wrong.
        now >= self.ends || self.ends - now > (LASTS + APART).as_secs()
    }

    fn signer(&self) -> Option<Hmac<Sha256>> {
        let signer = Hmac::<Sha256>::new_from_slice(&self.token).ok()?;
        let said = [PURPOSE, &self.ends.to_be_bytes(), &self.number];
        Some(
            said.into_iter()
                .fold(signer, |signer, part| signer.chain_update(part)),
        )
    }

    /// The value of `Set-Cookie`. It goes to `/api` alone, and no other site's page makes a browser send it.
    pub fn cookie(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let signature = self.signer()?.finalize().into_bytes();
        let signed = [&self.ends.to_be_bytes()[..], &self.number, &signature].concat();
        set_cookie(&BASE64_URL_SAFE_NO_PAD.encode(signed), LASTS, headers)
    }
}

/// The value of `Set-Cookie` that takes it away.
pub fn no_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    set_cookie("", Duration::ZERO, headers)
}

fn set_cookie(value: &str, lasts: Duration, headers: &HeaderMap) -> Option<HeaderValue> {
    // The browser says how it reached us, also where a proxy speaks TLS for us.
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let is_encrypted = origin.is_some_and(|origin| origin.starts_with(b"https://"));
    let secure = if is_encrypted { "; Secure" } else { "" };
    let lasts = lasts.as_secs();
    let text =
        format!("{NAME}={value}; Path=/api; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).iter();
    let mut pairs = texts
        .filter_map(|text| text.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == NAME).then_some(value))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Those that were logged out before they were over.
#[derive(Default)]
pub struct Ended(HashMap<Number, u64>);

impl Ended {
    pub fn has(&self, session: &Session) -> bool {
        self.0.contains_key(&session.number)
    }

    pub fn note(&mut self, session: &Session) {
        let now = now();
        self.0.retain(|_, ends| *ends > now);
        if self.0.len() >= ENDED_MAX {
            let first = self.0.iter().min_by_key(|(_, ends)| **ends);
            let first = first.map(|(number, _)| *number);
            first.map(|first| self.0.remove(&first));
        }
        self.0.insert(session.number, session.ends);
    }

    /// Whether it is over, or was ended.
    pub fn is_over(&self, session: &Session) -> bool {
        session.is_over(now()) || self.has(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Hash = [7; 32];

    /// As a browser sends it back.
    fn sent_back(set: &HeaderValue) -> HeaderMap {
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let cookie = HeaderValue::from_str(&format!("theme=dark; {pair}")).unwrap();
        HeaderMap::from_iter([(COOKIE, cookie)])
    }

    #[test]
    fn a_session_is_worth_nothing_without_its_token_or_with_any_digit_changed() {
        let session = Session::begin(TOKEN);
        let shown = sent_back(&session.cookie(&HeaderMap::new()).unwrap());
        assert!(Session::shown(&shown, &[[1; 32], TOKEN]) == Some(session));
        assert!(Session::shown(&shown, &[[1; 32]]).is_none());
        assert!(Session::shown(&HeaderMap::new(), &[TOKEN]).is_none());

        let text = shown[COOKIE].to_str().unwrap();
        let begins = text.find(NAME).unwrap() + NAME.len() + 1;
        for at in begins..text.len() {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            let changed = HeaderMap::from_iter([(COOKIE, changed.parse().unwrap())]);
            assert!(Session::shown(&changed, &[TOKEN]).is_none(), "{at}");
        }
    }

    #[test]
    fn a_session_is_over_after_twelve_hours_also_where_the_clock_was_set_back() {
        let session = Session::begin(TOKEN);
        let begun = session.ends - LASTS.as_secs();
        assert!(!session.is_over(begun) && !session.is_over(session.ends - 1));
        assert!(session.is_over(session.ends) && session.is_over(begun - 3_600));
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites_and_of_the_wire() {
        let session = Session::begin(TOKEN);
        let plain = session.cookie(&HeaderMap::new()).unwrap();
        let plain = plain.to_str().unwrap();
        assert!(plain.ends_with("; Path=/api; Max-Age=43200; HttpOnly; SameSite=Strict"));

        let origin = HeaderValue::from_static("https://gate.example.com");
        let encrypted = HeaderMap::from_iter([(ORIGIN, origin)]);
        let cookie = session.cookie(&encrypted).unwrap();
        assert!(cookie.to_str().unwrap().ends_with("; Secure"));
        assert!(
            no_cookie(&encrypted)
                .unwrap()
                .to_str()
                .unwrap()
                .contains("=; Path=/api; Max-Age=0;")
        );
    }

    #[test]
    fn what_was_logged_out_is_remembered_in_bounded_memory() {
        let mut ended = Ended::default();
        let sessions: Vec<_> = (0..1_100).map(|_| Session::begin(TOKEN)).collect();
        sessions.iter().for_each(|session| ended.note(session));
        assert_eq!(ended.0.len(), ENDED_MAX);
        assert!(sessions.last().is_some_and(|last| ended.is_over(last)));
        assert!(!ended.is_over(&Session::begin(TOKEN)));
    }
}
