//! The second listener, for machines and operators: `/livez`, `/readyz`, `/metrics`.
//!
//! Loopback by default. A destination that is down is a reason shown, never a cause of not being ready: taken out of the load balancer the
//! boxes would lose events. `/api` and the console come later, and beyond loopback only with a token.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::clock::Clock;
use crate::ingest::port::{self, Arrival, Deadlines, Places, Port};
use crate::metrics;
use crate::queue::{Queue, Status};
use crate::send::link::Link;

/// What the process is doing, in the order it does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Serving,
    Draining,
}

/// What there is to see of a gateway.
pub struct Health {
    phase: AtomicU8,
    pub metrics: PrometheusHandle,
    /// Empty until the queue is open.
    parts: OnceLock<Parts>,
    /// One look at a time: what is copied and what is shown are of the same moment, however many scrape.
    looking: Mutex<()>,
}

struct Parts {
    queue: Queue,
    links: Vec<Arc<Link>>,
    clock: Arc<Clock>,
    /// What an operator should know at any time.
    notes: Vec<String>,
}

impl Health {
    pub fn new(metrics: PrometheusHandle) -> Arc<Health> {
        Arc::new(Health { phase: AtomicU8::new(Phase::Starting as u8), metrics, parts: OnceLock::new(), looking: Mutex::new(()) })
    }

    pub fn opened(&self, queue: Queue, links: Vec<Arc<Link>>, clock: Arc<Clock>, notes: Vec<String>) {
        let _ = self.parts.set(Parts { queue, links, clock, notes });
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Why boxes should not come here; empty when they should.
    pub fn causes(&self) -> Vec<String> {
        let queue = self.parts.get().map(|parts| parts.queue.status());
        let causes = self.possible_causes(queue.as_ref()).into_iter();
        causes.filter(|(_, is_so)| *is_so).map(|(cause, _)| cause.replace('_', " ")).collect()
    }

    /// Every cause there is, and whether it holds.
    fn possible_causes(&self, queue: Option<&Status>) -> [(&'static str, bool); 6] {
        let phase = self.phase.load(Ordering::Acquire);
        [
            ("starting", phase == Phase::Starting as u8),
            ("draining", phase == Phase::Draining as u8),
            ("queue_full", queue.is_some_and(|queue| queue.is_full)),
            ("queue_stalled", queue.is_some_and(|queue| queue.is_stalled)),
            ("queue_refused", queue.is_some_and(|queue| queue.is_refused)),
            ("queue_poisoned", queue.is_some_and(|queue| queue.is_poisoned)),
        ]
    }

    /// All metrics as of one moment: what the ledger says of a destination adds up in every scrape.
    fn scrape(&self) -> String {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = self.parts.get().map(|parts| parts.queue.status());
        if let Some((queue, parts)) = queue.as_ref().zip(self.parts.get()) {
            metrics::observe(queue, |time| parts.clock.age(time));
        }
        self.possible_causes(queue.as_ref()).into_iter().for_each(|(cause, is_so)| metrics::not_ready(cause, is_so));
        self.metrics.render()
    }

    /// Whether every destination works.
    pub fn is_connected(&self) -> bool {
        self.parts.get().is_some_and(|parts| parts.links.iter().all(|link| link.is_up()))
    }

    /// `reasons` says all that is wrong; only the causes among them make it not ready.
    fn report(&self) -> (bool, Value) {
        let mut reasons = self.causes();
        let is_ready = reasons.is_empty();
        reasons.extend(self.parts.get().map(|parts| parts.queue.status().outages).unwrap_or_default());
        let mut destinations = Map::new();
        for link in self.parts.get().map_or(&[][..], |parts| &parts.links) {
            reasons.extend(link.troubles());
            destinations.insert(link.destination.to_owned(), if link.is_up() { "up" } else { "down" }.into());
        }
        let notes = self.parts.get().map_or(&[][..], |parts| &parts.notes);
        (is_ready, json!({"ready": is_ready, "reasons": reasons, "destinations": destinations, "notes": notes}))
    }
}

/// Between two requests: longer than any Prometheus takes between two scrapes.
const IDLE: Duration = Duration::from_secs(90);
const HEAD: Duration = Duration::from_secs(5);

/// What is behind the admin port. Its connections have the deadlines of the boxes', and a cap of their own.
pub struct Admin {
    router: Router,
    places: Arc<Places>,
}

impl Admin {
    pub fn new(health: Arc<Health>, connections_max: usize) -> Arc<Admin> {
        let router = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(render))
            .with_state(health);
        Arc::new(Admin { router, places: Places::new(connections_max) })
    }
}

impl Port for Admin {
    fn places(&self) -> &Arc<Places> {
        &self.places
    }

    fn source(&self, address: IpAddr) -> Option<IpAddr> {
        Some(address)
    }

    async fn serve(self: Arc<Self>, arrival: Arrival, stop: CancellationToken) {
        let Arrival { stream, address, exchange, place: _place } = arrival;
        let in_service = exchange.clone();
        let service = tower::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (router, in_service) = (self.router.clone(), in_service.begin());
            async move {
                let answer = router.oneshot(request).await;
                drop(in_service);
                answer
            }
        });
        let ended = port::run(stream, service, &exchange, Deadlines { idle: IDLE, head: HEAD }, &stop).await;
        if let Err(error) = ended {
            tracing::debug!(peer = %address.ip(), %error, "admin connection ended");
        }
    }

    fn turn_away(&self, stream: TcpStream, _address: IpAddr) {
        port::say_and_close(stream, "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let (is_ready, report) = health.report();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CONTENT_TYPE, "application/json")], format!("{report}\n")).into_response()
}

async fn render(State(health): State<Arc<Health>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], health.scrape()).into_response()
}
