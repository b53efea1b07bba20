//! One request: its head and its body are read and judged here. `commit` does the rest.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;
use hyper::{Method, Request};

use super::answer::{self, Connection};
use super::authorization::{admit, is_token_shown};
use super::body::{self, Incomplete, Length};
use super::body_memory::BodyMemory;
use super::commit::{Upload, commit};
use super::head;
use super::path::{self, Path};
use super::port::Greeting;
use super::service::{NO_PATH, Peer, Service};
use super::{Accept, Ended, Received};
use crate::metrics;
use crate::system::fault;
use boxbridge_event::{BoxPass, Charset, Code, Feed, Refusal, ShareKey, Source, Timestamp};

/// A request whose body has not been read yet.
pub(super) struct RequestHead {
    parts: Parts,
    /// `None`: this path takes no events.
    pub path: Option<Path>,
    /// The address that limits and logs go by.
    pub sender: IpAddr,
    pub peer: Peer,
    /// What it was let in with.
    pass: BoxPass,
    /// As they were when the request came.
    pub settings: Arc<boxbridge_config::Ingest>,
}

impl RequestHead {
    /// The metric label. A request for an unknown path counts under the first feed.
    pub fn feed(&self) -> &'static str {
        self.path.unwrap_or(Path::Realtime).as_str()
    }

    /// The path as logs may show it.
    pub fn shown(&self) -> String {
        path::shown(self.parts.uri.path())
    }

    /// Whether the declared length may be wrong. A proxy counts for others, and chunks end where they end: only a box itself miscounts.
    fn may_be_of_wrong_length(&self) -> bool {
        head::is_declared_alone(&self.parts) && !self.peer.is_proxy
    }

    fn share_key(&self) -> ShareKey {
        ShareKey::of(self.sender).with_pass(self.pass.number)
    }

    /// Who sent the event, and what the request says of it.
    fn source(&self, charset: Option<String>) -> Source {
        Source {
            peer: self.sender.to_string(),
            feed: if self.path == Some(Path::History) {
                Feed::History
            } else {
                Feed::Realtime
            },
            site: (self.pass.site.clone()).or_else(|| head::query(&self.parts, "site")),
            box_id: head::query(&self.parts, "box"),
            charset,
            received_at: Timestamp::now().minus(self.peer.activity.waited()),
            pass: self.pass.clone(),
        }
    }
}

/// A fault of ours costs only this request, and is answered: silence would look like a broken connection.
pub(super) async fn handle<A: Accept>(
    service: &Arc<Service<A>>,
    peer: Peer,
    request: Request<Body>,
) -> Response {
    let response = fault::caught(pin!(serve(service, peer, request))).await;
    response.unwrap_or_else(|fault| {
        let feed = Path::Realtime.as_str();
        service.accept.count(feed, Ended::Refused(Code::Fault));
        let refusal = Refusal::new(Code::Fault, fault.to_string());
        answer::refusal(&refusal, Connection::Close)
    })
}

async fn serve<A: Accept>(
    service: &Arc<Service<A>>,
    peer: Peer,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let activity = peer.activity.clone();
    let _in_service = activity.begin();

    let settings = service.settings();
    let path = Path::of(&parts.uri, &settings);
    let sender = service.sender(&peer, &parts.headers, &settings);
    let mut request = RequestHead {
        parts,
        path,
        sender,
        peer,
        pass: BoxPass::default(),
        settings,
    };

    match judge(&request) {
        Err(refusal) => return service.refuse_unread(&request, &refusal, body),
        Ok(pass) => request.pass = pass,
    }
    if request.pass.number.is_some() {
        request.peer.let_in(request.share_key());
    }
    match request.parts.method {
        Method::POST => post(service, request, body).await,
        _ => answer::presence(service.accept.is_ready()),
    }
}

/// What the request is let in with, as far as its head says.
fn judge(request: &RequestHead) -> Result<BoxPass, Refusal> {
    if request.peer.greeting == Greeting::PlainToTls {
        let message = "this port speaks TLS: the address begins with https://";
        return Err(Refusal::new(Code::TlsWanted, message));
    }

    let parts = &request.parts;
    let (method, path) = (&parts.method, request.path);
    // Everybody may look whether we are here; a technician who shows a token is told whether it is good.
    let only_looks =
        matches!(method, &Method::GET | &Method::HEAD) && path.is_some() && !is_token_shown(parts);
    let pass = match only_looks {
        true => BoxPass::default(),
        false => admit(&request.peer, parts, request.sender, &request.settings)?,
    };

    head::check(parts)?;
    match (method, path) {
        (&Method::POST, _) | (&Method::GET | &Method::HEAD, Some(_)) => Ok(pass),
        (_, None) => Err(unknown_path(request)),
        _ => {
            let message = "events are sent by POST";
            Err(Refusal::new(Code::MethodNotAllowed, message))
        }
    }
}

fn unknown_path(request: &RequestHead) -> Refusal {
    let known = request.settings.realtime_paths.join(" ");
    let shown = request.shown();
    Refusal::new(
        Code::PathUnknown,
        format!("nothing is taken on {shown}; real-time events go to {known}"),
    )
}

/// Reads the body and hands it on.
async fn post<A: Accept>(
    service: &Arc<Service<A>>,
    request: RequestHead,
    mut body: Body,
) -> Response {
    let (limit, memory) = service.memory_for(&request);
    let charset = head::charset(&request.parts);
    let length = Length {
        declared: head::declared_length(&request.parts),
        limit,
        may_be_wrong: request.may_be_of_wrong_length(),
        charset: Charset::declared(charset.as_deref()),
    };
    if length.declared.is_some_and(|length| length > limit as u64) {
        return service.refuse_unread(&request, &body::too_large(limit, length.declared), body);
    }

    let unfinished = Unfinished(&*service.accept, request.feed());
    let arrived = match body::read(&mut body, length, &request.settings, &memory).await {
        Ok(arrived) => arrived,
        Err(Incomplete::Aborted) => {
            let refusal = Refusal::new(Code::RequestInvalid, "the body ended early");
            return answer::refusal(&refusal, Connection::Close);
        }
        Err(Incomplete::Refused(refusal)) => {
            unfinished.end();
            return service.refuse_unread(&request, &refusal, body);
        }
    };
    unfinished.end();
    metrics::body(arrived.bytes.len());
    if let Err(refusal) = service.is_still_let_in(&request) {
        return service.refuse_unread(&request, &refusal, body);
    }

    let upload = Upload {
        source: request.source(charset),
        refused: service.refused_unparsed(&request, &arrived.bytes),
        body: Received {
            bytes: arrived.bytes,
            may_be_short: length.may_be_wrong && !arrived.is_early,
        },
        request,
        memory,
    };
    commit(service, upload, arrived.is_early).await
}

/// Counts a body as aborted unless `end` is called: hyper drops the handler when the client hangs up.
struct Unfinished<'a, A: Accept>(&'a A, &'static str);

impl<A: Accept> Unfinished<'_, A> {
    fn end(self) {
        std::mem::forget(self);
    }
}

impl<A: Accept> Drop for Unfinished<'_, A> {
    fn drop(&mut self) {
        self.0.count(self.1, Ended::Aborted);
    }
}

impl<A: Accept> Service<A> {
    /// Whether the request may still send: its token may have been revoked while its body came.
    fn is_still_let_in(&self, request: &RequestHead) -> Result<(), Refusal> {
        let now = self.settings();
        match Arc::ptr_eq(&now, &request.settings) {
            true => Ok(()),
            false => admit(&request.peer, &request.parts, request.sender, &now).map(drop),
        }
    }

    /// Why a body that has arrived is not even parsed.
    fn refused_unparsed(&self, request: &RequestHead, body: &[u8]) -> Option<Refusal> {
        match request.path {
            Some(_) => head::check_media(&request.parts, body).err(),
            None => Some(unknown_path(request)),
        }
    }

    /// How large the body may be, and the memory that it is read into.
    fn memory_for(&self, request: &RequestHead) -> (usize, BodyMemory) {
        match request.path {
            Some(Path::History) => (
                request.settings.history_body_max_bytes,
                BodyMemory::History(self.history.hold()),
            ),
            Some(Path::Realtime | Path::Status) | None => (
                request.settings.body_max_bytes,
                BodyMemory::Live(self.realtime.hold(request.share_key())),
            ),
        }
    }

    /// Refuses a request whose body is not read. The connection ends once the sender has had time to read why.
    fn refuse_unread(&self, request: &RequestHead, refusal: &Refusal, body: Body) -> Response {
        let path = match refusal.code.status() {
            // Of who shows no token nothing is said: a token may stand anywhere in what he wrote.
            401 => NO_PATH.to_owned(),
            _ => request.shown(),
        };
        let again_and_again = self.refusals.say(request.sender, &path, refusal.code);

        let refusal = again_and_again.as_ref().unwrap_or(refusal);
        self.accept
            .count(request.feed(), Ended::Refused(refusal.code));
        if again_and_again.is_none() && !head::waits_to_be_asked(&request.parts) {
            tokio::spawn(body::drain(body, refusal.code));
        }
        answer::refusal(refusal, Connection::Close)
    }
}
