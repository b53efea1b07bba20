//! The second listener, for machines and operators: `/livez`, `/readyz`, `/metrics`, `/api/status`.
//!
//! Loopback by default. The first three are for everyone who reaches the port; everything under `/api` only for this machine
//! (`local`), since the port may be open to a cluster. Beyond loopback it comes later, with a token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::ingest::port::{self, Deadlines, NewConnection, Places, Port};
use boxbridge_event::ShareKey;

mod health;
mod local;
pub mod snapshot;

pub use health::{Health, Phase};

use local::Peer;

/// Between two requests: longer than any Prometheus takes between two scrapes.
const IDLE: Duration = Duration::from_secs(90);
const HEAD: Duration = Duration::from_secs(5);

/// The service behind the admin port. Its connections have the deadlines of the boxes', and a cap of their own.
pub struct Admin {
    router: Router,
    places: Arc<Places>,
}

impl Admin {
    pub fn new(health: Arc<Health>, connections_max: usize) -> Arc<Admin> {
        let api = Router::new()
            .route("/status", get(status))
            .fallback(local::nothing_there)
            .layer(middleware::from_fn(local::only_this_machine));

        let router = Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(render))
            .nest("/api", api)
            .with_state(health);
        Arc::new(Admin {
            router,
            places: Places::new(connections_max),
        })
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
        let NewConnection {
            stream,
            address,
            activity,
            place: _place,
        } = connection;
        let in_service = activity.clone();

        let service =
            tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(Peer(address.ip()));
                let (router, in_service) = (self.router.clone(), in_service.begin());
                async move {
                    let answer = router.oneshot(request).await;
                    drop(in_service);
                    answer
                }
            });

        let ended = port::run(
            stream,
            service,
            &activity,
            Deadlines {
                idle: IDLE,
                head: HEAD,
            },
            &stop,
        )
        .await;
        if let Err(error) = ended {
            tracing::debug!(peer = %address.ip(), %error, "admin connection ended");
        }
    }

    fn turn_away(&self, stream: TcpStream, _address: IpAddr) {
        port::say_and_close(
            stream,
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
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
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        health.scrape(),
    )
        .into_response()
}

async fn status(State(health): State<Arc<Health>>) -> Response {
    local::json(StatusCode::OK, &health.snapshot())
}
