//! What stands under `/api`: the router over all endpoints, and what their handlers may use.
//!
//! One file a noun beneath it; each declares its endpoints beside their handlers, and both the router and the OpenAPI document are made of
//! these declarations. Promises: who asks passes `access` first, also for a path that is none; only who logs in or out does not. What changes something is in the audit log
//! before it is done. Deliberately does no work: the owner of the thing does.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Router, middleware};
use tokio_util::sync::CancellationToken;

use super::access::{self, Access, Caller};
use super::answer::Complaint;
use super::audit::{Act, Audit};
use super::health::Health;
use super::jobs::{JobRunning, Jobs};
use crate::app::Reload;
use crate::gateway::kept::{Aside, Quarantine};
use crate::gateway::{Devices, Documents, Preview, Replays, Resend, Resubmit, Timetable};
use crate::links::album::Album;
use crate::queue::Queue;
use crate::system::clock::Clock;
use crate::system::fault::Fault;
use boxbridge_event::Timestamp;

mod aside;
mod destinations;
mod devices;
mod endpoint;
mod events;
mod jobs;
mod pictures;
mod quarantine;
mod reload;
mod replays;
mod session;
mod status;

pub(super) use endpoint::{Endpoint, OpensTo, Parameter};
pub use events::Watchers;

/// Everything that a handler may use, once the queue is open.
pub struct Operator {
    pub health: Arc<Health>,
    pub queue: Queue,
    pub aside: Arc<Aside>,
    pub quarantine: Arc<Quarantine>,
    pub resend: Resend,
    pub resubmit: Resubmit,
    pub clock: Arc<Clock>,
    pub devices: Arc<Devices>,
    pub jobs: Jobs,
    pub audit: Arc<Audit>,
    pub timetable: Arc<Timetable>,
    pub documents: Documents,
    /// The pictures of events.
    pub album: Arc<Album>,
    /// Who looks on while events come.
    pub watchers: Watchers,
    pub reload: Arc<Reload>,
}

/// What all handlers share.
pub(super) type Shared = Arc<Api>;

pub(super) struct Api {
    pub health: Arc<Health>,
    pub operator: OnceLock<Arc<Operator>>,
    pub access: Arc<Access>,
}

/// All endpoints, in the order in which they are documented.
pub(super) fn endpoints() -> Vec<Endpoint> {
    [
        status::endpoints(),
        events::endpoints(),
        pictures::endpoints(),
        destinations::endpoints(),
        devices::endpoints(),
        aside::endpoints(),
        quarantine::endpoints(),
        jobs::endpoints(),
        replays::endpoints(),
        reload::endpoints(),
        session::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn router(api: &Shared) -> Router {
    let check = middleware::from_fn_with_state(Arc::clone(&api.access), access::check);
    let guarded = routes(OpensTo::LetIn)
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_that_method)
        .layer(check);
    let open = routes(OpensTo::Everybody).method_not_allowed_fallback(not_that_method);
    guarded.merge(open).with_state(Arc::clone(api))
}

fn routes(opens_to: OpensTo) -> Router<Shared> {
    let endpoints = endpoints().into_iter();
    let endpoints = endpoints.filter(|endpoint| endpoint.opens_to == opens_to);
    endpoints.fold(Router::new(), |router, endpoint| {
        // A picture's key has slashes in it.
        let path = endpoint.path.replace("{key}", "{*key}");
        router.route(&path, endpoint.handler)
    })
}

async fn nothing_there(request: Request) -> Complaint {
    let path = request.uri().path();
    Complaint::not_found(format!(
        "there is nothing at /api{path}: /api/openapi.json lists what there is"
    ))
}

async fn not_that_method(request: Request) -> Complaint {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("/api{path} takes no {method}: /api/openapi.json lists what it takes");
    Complaint::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

impl Operator {
    /// Replays by the settings that hold now.
    pub(super) fn replays(&self) -> Arc<Replays> {
        Arc::new(Replays::new(&self.reload.config(), self.queue.clone()))
    }

    /// Goes on with the jobs that were under way when the process ended.
    pub(super) fn take_up_jobs(&self) {
        replays::take_up(self);
    }

    /// Writes down what somebody is about to do. Where that cannot be, it is not to be done.
    pub async fn note(&self, caller: &Caller, act: Act) -> Result<(), Complaint> {
        let (audit, caller) = (Arc::clone(&self.audit), caller.clone());
        let noted = tokio::task::spawn_blocking(move || audit.note(&caller, &act)).await;

        let why = match noted {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => Fault.to_string(),
        };
        Err(Complaint::not_audited(&why))
    }
}

/// The operator's part of the gateway; before the queue is open there is none.
pub(super) struct Ready(pub Arc<Operator>);

impl FromRequestParts<Shared> for Ready {
    type Rejection = Complaint;

    async fn from_request_parts(_parts: &mut Parts, api: &Shared) -> Result<Ready, Complaint> {
        let operator = api.operator.get().map(Arc::clone);
        let message = "the gateway starts: the queue is not open yet";
        operator
            .map(Ready)
            .ok_or_else(|| Complaint::not_now("starting", message))
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Complaint;

    async fn from_request_parts(parts: &mut Parts, _api: &Shared) -> Result<Caller, Complaint> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Complaint::new(StatusCode::FORBIDDEN, "not_local", "nobody asks"))
    }
}

impl From<JobRunning> for Complaint {
    fn from(running: JobRunning) -> Complaint {
        Complaint::conflict("job_running", running.to_string())
    }
}

/// As what events leave for a destination now, or the destinations that there are.
fn preview(operator: &Operator, name: &str) -> Result<Preview, Complaint> {
    let mut previews = operator.reload.previews();
    if let Some(place) = previews.iter().position(|it| *it.destination == *name) {
        return Ok(previews.swap_remove(place));
    }

    let mut names: Vec<_> = previews.iter().map(|it| &*it.destination).collect();
    names.sort_unstable();
    let names = names.join(", ");
    let message = format!("there is no destination {name:?}, only {names}");
    Err(Complaint::unknown_destination(message))
}

/// A moment as people write it.
fn time(text: &str) -> Result<Timestamp, Complaint> {
    Timestamp::from_people(text, Timestamp::now())
        .map_err(|error| Complaint::bad("bad_filter", error))
}

/// The work of a job, which learns by `token` that it is cancelled and then ends by itself.
async fn or_cancelled<T>(
    work: impl Future<Output = T>,
    cancelled: impl Future<Output = ()>,
    token: &CancellationToken,
) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = cancelled => token.cancel(),
    }
    work.await
}
