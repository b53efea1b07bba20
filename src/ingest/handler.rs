//! One request: its head, its body, the commit in a task of its own, the answer in time.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::{HeaderMap, Method};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Accept;
use super::answer::{self, Connection};
use super::body::{self, Incomplete};
use super::budget::{Budget, Held};
use super::forwarded;
use super::head::{self, Path};
use super::patience::Exchange;
use crate::config;
use crate::event::{Code, Feed, Refusal, Reply, Source, Timestamp};
use crate::metrics::{self, Outcome};

/// The boxes' side of the gateway: what every connection shares.
pub struct Door<A> {
    accept: Arc<A>,
    pub(super) settings: config::Ingest,
    realtime: Arc<Budget>,
    history: Arc<Budget>,
    /// History is read and worked through one body at a time, so that it never silences the real-time feed.
    history_turn: Arc<Semaphore>,
    commits: TaskTracker,
    /// From here on every answer is a connection's last.
    pub(super) leaving: CancellationToken,
    /// A proxy that says nothing says it of every request: one line in the log is enough.
    pub(super) silent_proxy: Once,
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
            realtime: Budget::new(settings.in_flight_max_bytes, settings.in_flight_max_bytes / 4, settings.in_flight_wait),
            // One body at a time, rounded up to whole steps.
            history: Budget::new(
                settings.history_body_max_bytes + (1 << 20),
                settings.history_body_max_bytes + (1 << 20),
                settings.in_flight_wait,
            ),
            history_turn: Arc::new(Semaphore::new(1)),
            settings,
            commits,
            leaving,
            silent_proxy: Once::new(),
        })
    }

    /// The address that limits, allow-lists and events go by, if it may send.
    fn sender(&self, peer: &Peer, headers: &HeaderMap) -> Result<IpAddr, Refusal> {
        let mut address = peer.address;
        if peer.is_proxy {
            let sender = forwarded::sender(peer.address, headers, self.settings.forwarded_by, &self.settings.trusted_proxies);
            if let Some(hidden) = sender.hidden {
                let why = hidden.as_str();
                self.silent_proxy.call_once(|| {
                    tracing::warn!(proxy = %peer.address, why, "a proxy does not say who is behind it (ingest.forwarded_by): all of them share its own address's limits; this is said once");
                });
            }
            address = sender.address;
        }
        let allowed = &self.settings.allowed_networks;
        if allowed.is_empty() || allowed.contains(address) {
            return Ok(address);
        }
        Err(Refusal::new(Code::SourceForbidden, format!("{address} is in none of the networks that boxes may send from")))
    }
}

pub(super) async fn handle<A: Accept>(State(door): State<Arc<Door<A>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
        return answer::presence(false);
    };
    let _in_service = peer.exchange.begin();
    let path = Path::of(&parts.uri, &door.settings);
    let label = path.unwrap_or(Path::Realtime).as_str();
    if let Err(refusal) = head::check(&parts) {
        return turn_away(label, &refusal, body);
    }
    let Some(path) = path else {
        let known = door.settings.realtime_paths.join(" ");
        let refusal = Refusal::new(Code::PathUnknown, format!("nothing is taken on this path; real-time events go to {known}"));
        return turn_away(label, &refusal, body);
    };
    match parts.method {
        Method::GET | Method::HEAD => answer::presence(door.accept.is_ready()),
        Method::POST => match door.sender(&peer, &parts.headers) {
            Ok(address) => post(&door, &parts, path, Peer { address, ..peer }, body).await,
            Err(refusal) => turn_away(label, &refusal, body),
        },
        _ => turn_away(label, &Refusal::new(Code::MethodNotAllowed, "events are sent by POST"), body),
    }
}

async fn post<A: Accept>(
    door: &Arc<Door<A>>,
    parts: &axum::http::request::Parts,
    path: Path,
    sender: Peer,
    mut body: Body,
) -> Response {
    let (limit, budget) = match path {
        Path::History => (door.settings.history_body_max_bytes, &door.history),
        Path::Realtime | Path::Status => (door.settings.body_max_bytes, &door.realtime),
    };
    let declared = head::declared_length(parts);
    if declared.is_some_and(|length| length > limit as u64) {
        return turn_away(path.as_str(), &body::too_large(limit, declared), body);
    }
    let turn = match path {
        Path::Realtime | Path::Status => None,
        Path::History => match history_turn(door).await {
            Ok(turn) => Some(turn),
            Err(refusal) => return turn_away(path.as_str(), &refusal, body),
        },
    };
    let mut held = budget.hold(sender.address);
    let unfinished = Unfinished(path.as_str());
    let bytes = match body::read(&mut body, declared, limit, &door.settings, &mut held).await {
        Ok(bytes) => bytes,
        Err(Incomplete::Aborted) => {
            return answer::refusal(&Refusal::new(Code::RequestInvalid, "the body ended early"), Connection::Close);
        }
        Err(Incomplete::Refused(refusal)) => {
            unfinished.end();
            return turn_away(path.as_str(), &refusal, body);
        }
    };
    unfinished.end();
    metrics::body(bytes.len());
    let source = Source {
        peer: sender.address.to_string(),
        feed: if path == Path::History { Feed::History } else { Feed::Realtime },
        site: head::query(parts, "site"),
        box_id: head::query(parts, "box"),
        charset: head::charset(parts),
        received_at: Timestamp::now().minus(sender.exchange.waited()),
    };
    let media = head::check_media(parts, &bytes);
    commit(door, Work { path, source, media, bytes, held, _turn: turn }).await
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
    path: Path,
    source: Source,
    media: Result<(), Refusal>,
    bytes: bytes::Bytes,
    held: Held,
    _turn: Option<OwnedSemaphorePermit>,
}

/// The box comes again if others take too long.
async fn history_turn<A>(door: &Door<A>) -> Result<OwnedSemaphorePermit, Refusal> {
    let turn = tokio::time::timeout(door.settings.in_flight_wait, Arc::clone(&door.history_turn).acquire_owned()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| Refusal::new(Code::HistoryBusy, "another history body is being read"))
}

const PENDING: u8 = 0;
const DONE: u8 = 1;
const LATE: u8 = 2;

/// From here on nothing depends on the client: the work goes on if it hangs up, and if the answer is late.
async fn commit<A: Accept>(door: &Arc<Door<A>>, work: Work) -> Response {
    let arrived = Instant::now();
    let state = Arc::new(AtomicU8::new(PENDING));
    let task = door.commits.spawn({
        let (door, state) = (Arc::clone(door), Arc::clone(&state));
        async move {
            let reply = work_on(&door, work).await;
            if state.compare_exchange(PENDING, DONE, Ordering::AcqRel, Ordering::Acquire).is_err() {
                metrics::answered_late(accepted(&reply));
            }
            reply
        }
    });
    tokio::pin!(task);
    let reply = match tokio::time::timeout(door.settings.answer_deadline, &mut task).await {
        Ok(reply) => reply,
        Err(_) if state.compare_exchange(PENDING, LATE, Ordering::AcqRel, Ordering::Acquire).is_ok() => {
            let late = Refusal::new(Code::AnswerLate, "not on disk in time: it is still being written");
            metrics::answered(Outcome::Refused, arrived.elapsed());
            return answer::refusal(&late, Connection::Keep);
        }
        Err(_) => task.await,
    };
    let reply = reply.unwrap_or_else(|_| Err(Refusal::new(Code::OverBudget, "the work on this body failed")));
    let (outcome, response) = match &reply {
        Ok(reply) => (outcome(reply), answer::reply(reply)),
        Err(refusal) => (Outcome::Refused, answer::refusal(refusal, Connection::Keep)),
    };
    metrics::answered(outcome, arrived.elapsed());
    response
}

async fn work_on<A: Accept>(door: &Door<A>, work: Work) -> Result<Reply, Refusal> {
    let Work { path, source, media, bytes, held, _turn } = work;
    let reply = match (path, media) {
        (Path::Status, _) => {
            metrics::status_report();
            Ok(Reply::Status)
        }
        (_, Err(refusal)) => door.accept.refuse(source, bytes, refusal).await,
        (_, Ok(())) => door.accept.accept(source, bytes).await,
    };
    if let Err(refusal) = &reply {
        metrics::refused(path.as_str(), refusal.code);
    }
    drop(held);
    reply
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

/// A refusal without the body: the connection ends, after the sender had time to read why.
fn turn_away(feed: &'static str, refusal: &Refusal, body: Body) -> Response {
    metrics::refused(feed, refusal.code);
    tokio::spawn(body::drain(body));
    answer::refusal(refusal, Connection::Close)
}
