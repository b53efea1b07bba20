//! Who may ask what stands under `/api`: who shows a token, or a session that began with one, or, where there are none, this machine itself.
//!
//! Promises: tokens are compared by their hashes, in the same time whatever is shown. Ten wrong tokens of one source within a minute, and its
//! tokens are not listened to until the minute is over; but where they were a few that came again and again, as of a script with an old token,
//! the right one passes. A page of another site asks for nothing here: it could read no answer, but a few answers that go on would leave no
//! place for the guard's own console. An answer that goes on ends when who asked would no longer be let in. Deliberately lets a source that has guessed ten times show its right token in vain: else it
//! could go on guessing. A session is no guess, and is listened to.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, ORIGIN};
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::{Mutex, RwLock};

use super::answer::Complaint;
use boxbridge_config::{Secret, TokenHash as Hash, hex, is_same_token, token_hash};
use boxbridge_event::ShareKey;

mod failures;
mod lasting;
mod local;
mod session;

pub use session::NAME as SESSION_COOKIE;

use failures::{Failures, Verdict};
use session::{Ended, Session};

/// The other end of a connection; the listener puts it beside each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Somebody who was let in; stands beside each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `local`, or `token:` and the first 8 digits of the token's hash; of a command on a stopped gateway `user:` and its number.
    pub who: String,
    pub from: IpAddr,
}

pub struct Access {
    /// `None`: this machine alone.
    tokens: RwLock<Option<Vec<Hash>>>,
    failures: Mutex<Failures>,
    ended: Mutex<Ended>,
}

/// What somebody was let in with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    ThisMachine,
    Token(Hash),
    Session(Session),
}

impl Access {
    pub fn new(tokens: Option<&[Secret]>) -> Arc<Access> {
        Arc::new(Access {
            tokens: RwLock::new(tokens.map(hashes)),
            failures: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    /// From now on these open, and no others.
    pub fn replace(&self, tokens: Option<&[Secret]>) {
        *self.tokens.write() = tokens.map(hashes);
    }

    fn judge(&self, request: &Request) -> Result<(Caller, Pass), Complaint> {
        let headers = request.headers();
        let peer = request.extensions().get::<Peer>().copied();
        let let_in = match &*self.tokens.read() {
            Some(tokens) => self.with_session_or_token(tokens, peer, headers)?,
            None => {
                let caller = local::only_this_machine(peer, request.uri(), headers)?;
                (caller, Pass::ThisMachine)
            }
        };

        not_of_another_page(request.uri(), headers)?;
        Ok(let_in)
    }

    fn with_session_or_token(
        &self,
        tokens: &[Hash],
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<(Caller, Pass), Complaint> {
        if let Some(session) = self.session(tokens, headers) {
            return Ok((caller(&session.token, peer), Pass::Session(session)));
        }
        let shown = self.token(tokens, peer, bearer(headers))?;
        Ok((caller(&shown, peer), Pass::Token(shown)))
    }

    fn session(&self, tokens: &[Hash], headers: &HeaderMap) -> Option<Session> {
        let session = Session::shown(headers, tokens)?;
        (!self.ended.lock().has(&session)).then_some(session)
    }

    /// The token that is shown, if it is one of ours.
    fn token(
        &self,
        tokens: &[Hash],
        peer: Option<Peer>,
        shown: Option<&[u8]>,
    ) -> Result<Hash, Complaint> {
        let from = address(peer);
        let source = ShareKey::of(from);
        let verdict = self.failures.lock().of(source);
        if verdict == Verdict::Guesses {
            return Err(too_many_failures());
        }

        let Some(shown) = shown else {
            let message = "this needs a token of admin.token_file: --token-file FILE, or Authorization: Bearer TOKEN";
            return Err(unauthorized("token_missing", message));
        };
        let shown = token_hash(shown);
        if !is_one_of(&shown, tokens) {
            self.failures.lock().note(source, &shown);
            if verdict == Verdict::Repeats {
                return Err(too_many_failures());
            }
            tracing::warn!(peer = %from, "a wrong token was shown to the operator's API");
            let message = "the token is none of admin.token_file";
            return Err(unauthorized("token_wrong", message));
        }
        Ok(shown)
    }

    /// The cookie of a session that begins with this token.
    pub fn log_in(
        &self,
        peer: Option<Peer>,
        uri: &Uri,
        headers: &HeaderMap,
        token: &str,
    ) -> Result<HeaderValue, Complaint> {
        not_of_another_page(uri, headers)?;
        let tokens = self.tokens.read();
        let Some(tokens) = &*tokens else {
            local::only_this_machine(peer, uri, headers)?;
            let message = "no token is needed here: admin.token_file is not set";
            return Err(Complaint::conflict("no_tokens", message));
        };

        let token = self.token(tokens, peer, Some(token.trim().as_bytes()))?;
        let cookie = Session::begin(token).cookie(headers);
        tracing::info!(peer = %address(peer), "somebody logged in to the console");
        cookie.ok_or_else(Complaint::fault)
    }

    /// Ends the session that the request shows, if there is one. The cookie that takes its cookie away.
    pub fn log_out(&self, uri: &Uri, headers: &HeaderMap) -> Result<HeaderValue, Complaint> {
        not_of_another_page(uri, headers)?;
        let tokens = self.tokens.read();
        let session = Session::shown(headers, tokens.as_deref().unwrap_or_default());
        session.inspect(|session| self.ended.lock().note(session));
        session::no_cookie(headers).ok_or_else(Complaint::fault)
    }

    /// Whether it still opens.
    fn holds(&self, pass: &Pass) -> bool {
        let tokens = self.tokens.read();
        let is_known = |token| (tokens.as_ref()).is_some_and(|known| is_one_of(token, known));
        match pass {
            Pass::ThisMachine => tokens.is_none(),
            Pass::Token(token) => is_known(token),
            Pass::Session(session) => {
                is_known(&session.token) && !self.ended.lock().is_over(session)
            }
        }
    }
}

/// Lets in who may ask, and tells everybody else why not.
pub async fn check(
    State(access): State<Arc<Access>>,
    mut request: Request,
    next: Next,
) -> Response {
    match access.judge(&request) {
        Ok((caller, pass)) => {
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            lasting::while_it_holds(response, access, pass)
        }
        Err(complaint) => complaint.into_response(),
    }
}

fn not_of_another_page(uri: &Uri, headers: &HeaderMap) -> Result<(), Complaint> {
    if local::is_of_another_page(uri, headers) {
        let message = "a page of the web may not do this: the Origin is not this address";
        return Err(forbidden("foreign_origin", message));
    }
    Ok(())
}

fn too_many_failures() -> Complaint {
    let message = "too many wrong tokens came from this address: wait a minute";
    Complaint::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message)
}

fn forbidden(code: &'static str, message: &str) -> Complaint {
    Complaint::new(StatusCode::FORBIDDEN, code, message)
}

fn unauthorized(code: &'static str, message: &str) -> Complaint {
    Complaint::new(StatusCode::UNAUTHORIZED, code, message)
}

fn caller(token: &Hash, peer: Option<Peer>) -> Caller {
    Caller {
        who: format!("token:{}", fingerprint(token)),
        from: address(peer),
    }
}

fn address(peer: Option<Peer>) -> IpAddr {
    peer.map_or(IpAddr::from([0; 4]), |Peer(address)| address.to_canonical())
}

/// The token of `Authorization: Bearer TOKEN`; the scheme in any case (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

fn hashes(tokens: &[Secret]) -> Vec<Hash> {
    let shown = tokens.iter().map(|token| token.expose().as_bytes());
    shown.map(token_hash).collect()
}

/// Looks at every byte of every hash, whatever was shown.
fn is_one_of(shown: &Hash, tokens: &[Hash]) -> bool {
    let is_known = |known: bool, token| known | is_same_token(token, shown);
    tokens.iter().fold(false, is_known)
}

/// Says in the audit log and to nobody else which token it was.
fn fingerprint(hash: &Hash) -> String {
    hex(hash).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    const TOKEN: &str = "0123456789abcdef";

    fn ask(authorization: Option<&str>) -> Request {
        let mut request = Request::builder().uri("/status");
        request = authorization.into_iter().fold(request, |request, value| {
            request.header(AUTHORIZATION, value)
        });
        let mut request = request.body(Body::empty()).unwrap();
        request
            .extensions_mut()
            .insert(Peer(IpAddr::from([10, 0, 0, 7])));
        request
    }

    fn code(access: &Access, authorization: Option<&str>) -> String {
        match access.judge(&ask(authorization)) {
            Ok((caller, _)) => caller.who,
            Err(complaint) => complaint.code.into_owned(),
        }
    }

    #[test]
    fn any_token_of_the_file_opens_and_nothing_else() {
        let tokens = [Secret::new(TOKEN), Secret::new("another-long-token")];
        let access = Access::new(Some(&tokens));
        let one = code(&access, Some("Bearer 0123456789abcdef"));
        assert!(one.starts_with("token:") && one.len() == 14, "{one}");
        assert_ne!(one, code(&access, Some("bearer  another-long-token ")));

        assert_eq!(code(&access, None), "token_missing");
        for wrong in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeff",
            "Bearer ",
        ] {
            assert_eq!(code(&access, Some(wrong)), "token_wrong", "{wrong}");
        }
        for other in ["Basic 0123456789abcdef", TOKEN, ""] {
            assert_eq!(code(&access, Some(other)), "token_missing", "{other}");
        }
    }

    #[test]
    fn a_token_that_was_replaced_opens_nothing_and_an_empty_list_lets_nobody_in() {
        let access = Access::new(Some(&[Secret::new(TOKEN)]));
        access.replace(Some(&[Secret::new("another-long-token")]));
        assert_eq!(
            code(&access, Some("Bearer 0123456789abcdef")),
            "token_wrong"
        );
        access.replace(Some(&[]));
        assert_eq!(
            code(&access, Some("Bearer another-long-token")),
            "token_wrong"
        );
        access.replace(None);
        assert_eq!(
            code(&access, None),
            "not_local",
            "from elsewhere, nobody is let in"
        );
    }

    #[test]
    fn ten_wrong_tokens_of_a_source_and_it_is_not_listened_to() {
        let access = Access::new(Some(&[Secret::new(TOKEN)]));
        for _ in 0..30 {
            assert_eq!(code(&access, None), "token_missing", "that is no guess");
        }
        for guess in 0..10 {
            let shown = format!("Bearer guess {guess}");
            assert_eq!(code(&access, Some(&shown)), "token_wrong");
        }
        for shown in ["Bearer guess", "Bearer 0123456789abcdef"] {
            assert_eq!(code(&access, Some(shown)), "too_many_failures");
        }

        let mut other = ask(Some("Bearer 0123456789abcdef"));
        other
            .extensions_mut()
            .insert(Peer(IpAddr::from([10, 0, 0, 8])));
        assert!(access.judge(&other).is_ok(), "another source is");
    }

    #[test]
    fn an_old_token_that_comes_again_and_again_does_not_lock_out_the_right_one() {
        let access = Access::new(Some(&[Secret::new(TOKEN)]));
        for _ in 0..10 {
            assert_eq!(code(&access, Some("Bearer old")), "token_wrong");
        }
        assert_eq!(code(&access, Some("Bearer old")), "too_many_failures");
        let right = "Bearer 0123456789abcdef";
        assert!(code(&access, Some(right)).starts_with("token:"));

        // After ten different guesses the address is not listened to.
        for guess in 0..9 {
            let shown = format!("Bearer guess {guess}");
            assert_eq!(code(&access, Some(&shown)), "too_many_failures");
        }
        assert_eq!(code(&access, Some(right)), "too_many_failures");
    }
}
