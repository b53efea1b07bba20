//! The second listener, for machines and operators: `/livez`, `/readyz`, `/metrics`, the operator's API under `/api`, and the console at `/`.
//!
//! Loopback by default. `/api` is for this machine, or for who shows a token (`access`); the others are for everyone who reaches the port.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::ingest::port::{self, Deadlines, NewConnection, Places, Port};
use boxbridge_event::ShareKey;

mod access;
pub mod answer;
mod api;
mod audit;
mod console;
mod health;
pub mod history;
mod jobs;
pub mod kept;
mod openapi;
pub mod snapshot;
pub mod trace;

pub use access::{Access, Caller};
pub use answer::Complaint;
pub use api::{Operator, Watchers};
pub use audit::{Act, Audit};
pub use health::{Health, Notes, Phase};
pub use jobs::{Job, JobKind, JobReport, JobRunning, JobState, Jobs};
pub use openapi::{document as openapi, embedded, schema as schema_of_answer};

use access::Peer;
use api::Api;

/// Between two requests: longer than any Prometheus takes between two scrapes.
const IDLE: Duration = Duration::from_secs(90);
const HEAD: Duration = Duration::from_secs(5);
/// A probe sends its whole head at once and gives up after a second: where all places are taken, who has waited longest without a head
/// leaves at once.
const PATIENCE: Duration = Duration::ZERO;

/// The service behind the admin port. Its connections have the deadlines of the boxes', and a cap of their own.
pub struct Admin {
    router: Router,
    api: Arc<Api>,
    places: Arc<Places>,
}

impl Admin {
    pub fn new(health: Arc<Health>, access: &Arc<Access>, connections_max: usize) -> Arc<Admin> {
        let api = Arc::new(Api {
            health: Arc::clone(&health),
            operator: OnceLock::new(),
            access: Arc::clone(access),
        });

        let router = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(render))
            .with_state(health)
            .nest("/api", api::router(&api))
            .fallback(console::serve);
        Arc::new(Admin {
            router,
            api,
            places: Places::new(connections_max, 1, PATIENCE),
        })
    }

    /// From now on the whole API is answered.
    pub fn opened(&self, operator: Operator) {
        operator.take_up_jobs();
        let _ = self.api.operator.set(Arc::new(operator));
    }
}

impl Port for Admin {
    fn places(&self) -> &Arc<Places> {
        &self.places
    }

    fn source(&self, address: IpAddr) -> Option<ShareKey> {
        Some(ShareKey::of(address))
    }

    async fn serve(self: Arc<Self>, connection: NewConnection, stop: CancellationToken) {
        let peer = connection.address.ip();
        let deadlines = Deadlines {
            idle: IDLE,
            head: HEAD,
        };

        let answer = move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let answered = self.router.clone().oneshot(request);
            async move {
                let Ok(answer) = answered.await;
                answer
            }
        };
        let ended = port::answer_each(connection, deadlines, &stop, answer).await;
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "admin connection ended");
        }
    }

    fn turn_away(&self, _address: IpAddr) -> &'static str {
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let (is_ready, report) = health.report();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        format!("{report}\n"),
    )
        .into_response()
}

async fn render(State(health): State<Arc<Health>>) -> Response {
    // One at a time, and not on the threads that answer boxes: everybody who reaches this port may ask, as often as he likes.
    let _turn = health.scrapes.lock().await;
    let scraped = tokio::task::spawn_blocking({
        let health = Arc::clone(&health);
        move || health.scrape()
    });
    match scraped.await {
        Ok(text) => {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => Complaint::fault().into_response(),
    }
}
