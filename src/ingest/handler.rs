//! One request: its head, its body, the commit in a task of its own, the answer in time.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use hyper::{HeaderMap, Method};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{self, Connection};
use super::body::{self, Incomplete, Length};
use super::forwarded;
use super::head;
use super::path::{self, Path};
use super::port::{Exchange, Places};
use super::refusals::Refusals;
use super::room::{Budget, History, Room};
use super::{Accept, Received};
use crate::charset::Charset;
use crate::config;
use crate::event::{Code, Feed, Refusal, Reply, Sharer, Source, Timestamp};
use crate::fault;
use crate::metrics::{self, Outcome};

/// The boxes' side of the gateway: what every connection shares.
pub struct Door<A> {
    accept: Arc<A>,
    pub(super) settings: config::Ingest,
    pub(super) places: Arc<Places>,
    realtime: Arc<Budget>,
    history: Arc<History>,
    commits: TaskTracker,
    /// From here on every answer is a connection's last.
    pub(super) leaving: CancellationToken,
    /// A proxy that says nothing says it of every request: one line in the log is enough.
    pub(super) silent_proxy: Once,
    pub(super) refusals: Refusals,
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(super) struct Peer {
    pub address: IpAddr,
    /// Whether its word counts on who is behind it.
    pub is_proxy: bool,
    pub exchange: Exchange,
}

impl<A: Accept> Door<A> {
    /// `commits` is where bodies are worked on: it outlives connections. Once `leaving`, each connection ends with its answer.
    pub fn new(accept: Arc<A>, settings: config::Ingest, commits: TaskTracker, leaving: CancellationToken) -> Arc<Door<A>> {
        Arc::new(Door {
            accept,
            places: Places::new(settings.connections_max),
            realtime: Budget::new(settings.in_flight_max_bytes, settings.in_flight_wait),
            // The largest, and room for others to come meanwhile.
            history: History::new(settings.history_body_max_bytes + (1 << 20), settings.in_flight_wait),
            settings,
            commits,
            leaving,
            silent_proxy: Once::new(),
            refusals: Refusals::default(),
        })
    }

    fn sender(&self, peer: &Peer, headers: &HeaderMap) -> forwarded::Sender {
        match peer.is_proxy {
            true => forwarded::sender(peer.address, headers, self.settings.forwarded_by, &self.settings.trusted_proxies),
            false => forwarded::Sender { address: peer.address, hidden: None },
        }
    }

    /// Whether `sender`, which came from `peer`, may send events.
    fn admit(&self, peer: &Peer, sender: forwarded::Sender) -> Result<(), Refusal> {
        if let Some(hidden) = sender.hidden {
            let why = hidden.as_str();
            self.silent_proxy.call_once(|| {
                tracing::warn!(proxy = %peer.address, why, "a proxy does not say who is behind it (ingest.forwarded_by): all of them share its own address's limits; this is said once");
            });
        }
        let (address, allowed) = (sender.address, &self.settings.allowed_networks);
        if allowed.is_empty() || allowed.contains(address) {
            return Ok(());
        }
        Err(Refusal::new(Code::SourceForbidden, format!("{address} is in none of the networks that boxes may send from")))
    }

    /// A refusal without the body: the connection ends, after the sender had time to read why.
    fn turn_away(&self, asked: &Asked, refusal: &Refusal, body: Body) -> Response {
        metrics::refused(asked.feed(), refusal.code);
        self.refusals.say(asked.sender, &asked.shown(), refusal.code);
        tokio::spawn(body::drain(body));
        answer::refusal(refusal, Connection::Close)
    }
}

/// A request whose body has not been looked at.
struct Asked {
    parts: Parts,
    /// `None`: nothing is taken there.
    path: Option<Path>,
    /// The address that limits and logs go by.
    sender: IpAddr,
    peer: Peer,
}

impl Asked {
    /// The metric label: what comes to no path of ours was meant for the first.
    fn feed(&self) -> &'static str {
        self.path.unwrap_or(Path::Realtime).as_str()
    }

    fn shown(&self) -> String {
        path::shown(self.parts.uri.path())
    }
}

/// A fault of ours costs this request, and is answered: whoever sent it must not take silence for a lost line.
pub(super) async fn handle<A: Accept>(State(door): State<Arc<Door<A>>>, request: Request) -> Response {
    fault::caught(serve(door, request)).await.unwrap_or_else(|fault| {
        metrics::refused(Path::Realtime.as_str(), Code::Fault);
        answer::refusal(&Refusal::new(Code::Fault, fault.to_string()), Connection::Close)
    })
}

async fn serve<A: Accept>(door: Arc<Door<A>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
        return answer::presence(false);
    };
    let _in_service = peer.exchange.begin();
    let (path, sender) = (Path::of(&parts.uri, &door.settings), door.sender(&peer, &parts.headers));
    let asked = Asked { parts, path, sender: sender.address, peer };
    if let Err(refusal) = head::check(&asked.parts) {
        return door.turn_away(&asked, &refusal, body);
    }
    match (&asked.parts.method, path) {
        (&Method::POST, _) => match door.admit(&asked.peer, sender) {
            Ok(()) => post(&door, asked, body).await,
            Err(refusal) => door.turn_away(&asked, &refusal, body),
        },
        (_, None) => door.turn_away(&asked, &unknown_path(&door.settings, &asked), body),
        (&Method::GET | &Method::HEAD, Some(_)) => answer::presence(door.accept.is_ready()),
        _ => door.turn_away(&asked, &Refusal::new(Code::MethodNotAllowed, "events are sent by POST"), body),
    }
}

fn unknown_path(settings: &config::Ingest, asked: &Asked) -> Refusal {
    let known = settings.realtime_paths.join(" ");
    Refusal::new(Code::PathUnknown, format!("nothing is taken on {}; real-time events go to {known}", asked.shown()))
}

async fn post<A: Accept>(door: &Arc<Door<A>>, asked: Asked, mut body: Body) -> Response {
    let (limit, room) = match asked.path {
        Some(Path::History) => (door.settings.history_body_max_bytes, Room::History(door.history.hold())),
        Some(Path::Realtime | Path::Status) | None => {
            (door.settings.body_max_bytes, Room::Live(door.realtime.hold(Sharer::of(asked.sender))))
        }
    };
    // A proxy frames for others, and chunks end where they end: only a box may be wrong about its own body.
    let may_be_wrong = head::is_declared_alone(&asked.parts) && !asked.peer.is_proxy;
    let charset = head::charset(&asked.parts);
    let length = Length {
        declared: head::declared_length(&asked.parts),
        limit,
        may_be_wrong,
        charset: Charset::declared(charset.as_deref()),
    };
    if length.declared.is_some_and(|length| length > limit as u64) {
        return door.turn_away(&asked, &body::too_large(limit, length.declared), body);
    }
    let unfinished = Unfinished(asked.feed());
    let arrived = match body::read(&mut body, length, &door.settings, &room).await {
        Ok(arrived) => arrived,
        Err(Incomplete::Aborted) => {
            return answer::refusal(&Refusal::new(Code::RequestInvalid, "the body ended early"), Connection::Close);
        }
        Err(Incomplete::Refused(refusal)) => {
            unfinished.end();
            return door.turn_away(&asked, &refusal, body);
        }
    };
    unfinished.end();
    metrics::body(arrived.bytes.len());
    let source = Source {
        peer: asked.sender.to_string(),
        feed: if asked.path == Some(Path::History) { Feed::History } else { Feed::Realtime },
        site: head::query(&asked.parts, "site"),
        box_id: head::query(&asked.parts, "box"),
        charset,
        received_at: Timestamp::now().minus(asked.peer.exchange.waited()),
    };
    let refused = match asked.path {
        Some(_) => head::check_media(&asked.parts, &arrived.bytes).err(),
        None => Some(unknown_path(&door.settings, &asked)),
    };
    let body = Received { bytes: arrived.bytes, may_be_short: may_be_wrong && !arrived.is_early };
    let work = Work { asked, source, refused, body, room };
    commit(door, work, arrived.is_early).await
}

/// A body on its way: counted as aborted unless it comes to an end, since hyper drops the handler when the client hangs up.
struct Unfinished(&'static str);

impl Unfinished {
    fn end(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        metrics::aborted(self.0);
    }
}

/// A body that has arrived, and the memory it holds.
struct Work {
    asked: Asked,
    source: Source,
    /// What is wrong with it already.
    refused: Option<Refusal>,
    body: Received,
    room: Room,
}

const PENDING: u8 = 0;
const DONE: u8 = 1;
const LATE: u8 = 2;

/// From here on nothing depends on the client: the work goes on if it hangs up, and if the answer is late.
async fn commit<A: Accept>(door: &Arc<Door<A>>, work: Work, is_early: bool) -> Response {
    let state = Arc::new(AtomicU8::new(PENDING));
    let (exchange, room, may_be_short) = (work.asked.peer.exchange.clone(), work.room.clone(), work.body.may_be_short);
    let (begun, has_begun) = oneshot::channel();
    let task = door.commits.spawn({
        let (door, state) = (Arc::clone(door), Arc::clone(&state));
        async move {
            let _turn = match &work.room {
                Room::History(held) => held.turn().await,
                Room::Live(_) => None,
            };
            let _ = begun.send(());
            let feed = work.asked.feed();
            let reply = fault::caught(work_on(&door, work)).await.unwrap_or_else(|fault| {
                metrics::refused(feed, Code::Fault);
                Err(Refusal::new(Code::Fault, fault.to_string()))
            });
            if state.compare_exchange(PENDING, DONE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                metrics::answered_late(accepted(&reply));
            }
            reply
        }
    });
    tokio::pin!(task);
    let _ = has_begun.await;
    let arrived = Instant::now();
    exchange.hold_until_written(Box::new(room));
    let reply = match tokio::time::timeout(door.settings.answer_deadline, &mut task).await {
        Ok(reply) => reply,
        Err(_) if state.compare_exchange(PENDING, LATE, Ordering::AcqRel, Ordering::Acquire).is_ok() => {
            let late = Refusal::new(Code::AnswerLate, "not on disk in time: it is still being written");
            metrics::answered(Outcome::Refused, arrived.elapsed());
            return answer::refusal(&late, if is_early || may_be_short { Connection::Close } else { Connection::Keep });
        }
        Err(_) => task.await,
    };
    let reply = reply.unwrap_or_else(|_| Err(Refusal::new(Code::Fault, "the work on this body ended early")));
    // What follows a body that was cut short is the rest of it, and no request.
    let is_cut = may_be_short && refused(&reply).is_some_and(|refusal| !refusal.code.is_pressure());
    let connection = if is_early || is_cut { Connection::Close } else { Connection::Keep };
    let (outcome, response) = match &reply {
        Ok(reply) => (outcome(reply), answer::reply(reply, connection)),
        Err(refusal) => (Outcome::Refused, answer::refusal(refusal, connection)),
    };
    metrics::answered(outcome, arrived.elapsed());
    response
}

async fn work_on<A: Accept>(door: &Door<A>, work: Work) -> Result<Reply, Refusal> {
    let Work { asked, source, refused: known, body, room } = work;
    let reply = match (asked.path, known) {
        (_, Some(refusal)) => door.accept.refuse(source, body.bytes, refusal).await,
        (Some(Path::Status), None) => {
            metrics::status_report();
            Ok(Reply::Status)
        }
        (_, None) => door.accept.accept(source, body, room).await,
    };
    if let Err(refusal) = &reply {
        metrics::refused(asked.feed(), refusal.code);
    }
    if let Some(refusal) = refused(&reply) {
        door.refusals.say(asked.sender, &asked.shown(), refusal.code);
    }
    reply
}

fn refused(reply: &Result<Reply, Refusal>) -> Option<&Refusal> {
    match reply {
        Ok(Reply::Quarantined(refusal)) | Err(refusal) => Some(refusal),
        Ok(_) => None,
    }
}

fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Reply::One(receipt) if receipt.is_duplicate => Outcome::Duplicate,
        Reply::Quarantined(_) => Outcome::Quarantined,
        Reply::One(_) | Reply::Many(_) | Reply::Status => Outcome::Accepted,
    }
}

fn accepted(reply: &Result<Reply, Refusal>) -> u64 {
    match reply {
        Ok(Reply::One(receipt)) => u64::from(!receipt.is_duplicate),
        Ok(Reply::Many(parts)) => parts.iter().flatten().filter(|receipt| !receipt.is_duplicate).count() as u64,
        Ok(Reply::Quarantined(_) | Reply::Status) | Err(_) => 0,
    }
}
