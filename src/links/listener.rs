//! The links' listener: opens signed links to pictures, and does nothing else.
//!
//! Promises: it says of a link that does not open why, in plain words, and of nothing else whether it is there; a slow viewer has the
//! deadlines of every connection. No signature is logged. Deliberately lists nothing, and knows no person: who has a link may look.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use super::Links;
use super::album::{Album, NotShown};
use super::answer::{self, HARMLESS};
use super::signature::{NotOpened, Opened};
use crate::ingest::port::{self, Deadlines, NewConnection, Places, Port};
use boxbridge_event::{PictureName, ShareKey};

/// Browsers keep connections for the next picture of the same wall.
const IDLE: Duration = Duration::from_secs(30);
const HEAD: Duration = Duration::from_secs(5);

/// What the port answers with. Its connections have the deadlines of the boxes', and a cap of their own.
pub struct LinksPort {
    links: Arc<Links>,
    album: Arc<Album>,
    places: Arc<Places>,
}

impl LinksPort {
    pub fn new(links: Arc<Links>, album: Arc<Album>, connections_max: usize) -> Arc<LinksPort> {
        Arc::new(LinksPort {
            links,
            album,
            places: Places::new(connections_max, 1, port::PATIENCE),
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_that_method();
        }
        let Some(name) = PictureName::at_end_of(request.uri().path()) else {
            let text = "There is nothing here but pictures, each behind a link of its own.";
            return say(StatusCode::NOT_FOUND, text);
        };

        let query = request.uri().query().unwrap_or_default();
        match self.links.open(&name, query) {
            Ok(opened) => self.show(&name, opened, &request).await,
            Err(NotOpened::Wrong) => say(
                StatusCode::FORBIDDEN,
                "This link was not made here, or was changed on its way: copy it whole.",
            ),
            Err(NotOpened::Over(until)) => say(
                StatusCode::GONE,
                &format!("This link opened until {until}, and does not any more."),
            ),
        }
    }

    async fn show(
        &self,
        name: &PictureName,
        opened: Opened,
        request: &Request<Incoming>,
    ) -> Response<Body> {
        let caching = format!("private, max-age={}, immutable", opened.seconds_left);
        if answer::is_known(name, request.headers()) {
            return answer::not_modified(name, &caching);
        }

        match self.album.find(name, opened.record).await {
            Ok(held) => answer::picture(name, held, request.headers(), &caching),
            Err(NotShown::Gone) => say(
                StatusCode::NOT_FOUND,
                "The link is right, and the picture is not kept any more.",
            ),
            Err(NotShown::NotNow(error)) => {
                tracing::warn!(error, "a picture could not be shown");
                not_now()
            }
        }
    }
}

impl Port for LinksPort {
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

        let answer = move |request| {
            let this = Arc::clone(&self);
            async move { this.answer(request).await }
        };
        let ended = port::answer_each(connection, deadlines, &stop, answer).await;
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "links connection ended");
        }
    }

    fn turn_away(&self, _address: IpAddr) -> &'static str {
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    }
}

fn say(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;

    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (header, word) in HARMLESS {
        headers.insert(header, HeaderValue::from_static(word));
    }
    response
}

fn not_that_method() -> Response<Body> {
    let mut response = say(
        StatusCode::METHOD_NOT_ALLOWED,
        "Pictures are only looked at.",
    );
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

fn not_now() -> Response<Body> {
    let text = "The picture cannot be shown now: ask again in a moment.";
    let mut response = say(StatusCode::SERVICE_UNAVAILABLE, text);
    let later = HeaderValue::from_static("5");
    response.headers_mut().insert(header::RETRY_AFTER, later);
    response
}
