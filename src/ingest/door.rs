//! The boxes' port: who is at the other end of a connection, and how it is served.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::handler::{Door, Peer, handle};
use super::path::Path;
use super::port::{self, Arrival, Deadlines, Exchange, NoHeader, Place, Places, Port, Said};
use super::{Accept, answer};
use crate::config::ForwardedBy;
use crate::event::{Code, Sharer};
use crate::metrics;

/// Where no request was read, there is no path to be written down.
const NO_PATH: &str = "?";

impl<A: Accept> Port for Door<A> {
    fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Proxies have none: whoever is behind them has, request by request.
    fn source(&self, address: IpAddr) -> Option<Sharer> {
        (!self.settings.trusted_proxies.contains(address)).then(|| Sharer::of(address))
    }

    async fn serve(self: Arc<Self>, arrival: Arrival, stop: CancellationToken) {
        let Arrival { mut stream, address, exchange, place } = arrival;
        let _open = Open::new();
        let peer = tokio::select! {
            // A stop that came between the accept and this line takes nobody's turn away.
            biased;
            peer = self.peer(&mut stream, address.ip().to_canonical(), &exchange, &place) => peer,
            () = port::last_call(&stop, &exchange) => None,
        };
        let Some(peer) = peer else { return };
        let source = peer.address;
        let deadlines = Deadlines { idle: self.settings.idle_timeout, head: self.settings.header_timeout };
        let with_peer = move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request.map(axum::body::Body::new)
        };
        // Who keeps a connection shall find the next process, or the next gateway, with its next request.
        let is_leaving = self.leaving.clone();
        let with_farewell = move |mut response: axum::response::Response| {
            if is_leaving.is_cancelled() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        };
        let service = Router::new().fallback(handle::<A>).with_state(Arc::clone(&self));
        let service = service.map_request(with_peer).map_response(with_farewell);
        let ended = port::run(stream, service, &exchange, deadlines, &stop).await;
        if let Err(error) = ended {
            // What hyper refuses by itself, it answers without a body.
            let code = match () {
                () if error.is_parse_too_large() => Some(Code::HeadersTooLarge),
                () if error.is_parse() => Some(Code::RequestInvalid),
                () => None,
            };
            if let Some(code) = code {
                metrics::refused(Path::Realtime.as_str(), code);
                self.refusals.say(source, NO_PATH, code);
            }
            tracing::debug!(peer = %source, %error, "connection ended");
        }
    }

    fn turn_away(&self, stream: TcpStream, address: IpAddr) {
        metrics::refused(Path::Realtime.as_str(), Code::OverBudget);
        self.refusals.say(address.to_canonical(), NO_PATH, Code::OverBudget);
        port::say_and_close(stream, answer::NO_PLACE);
    }
}

impl<A: Accept> Door<A> {
    /// Who is at the other end of a connection that came from `address`; `None` where that cannot be known.
    async fn peer(&self, stream: &mut TcpStream, address: IpAddr, exchange: &Exchange, place: &Place) -> Option<Peer> {
        let is_proxy = self.settings.trusted_proxies.contains(address);
        if !is_proxy || self.settings.forwarded_by != ForwardedBy::ProxyProtocol {
            return Some(Peer { address, is_proxy, exchange: exchange.clone() });
        }
        let header = tokio::time::timeout(self.settings.header_timeout, port::read_proxy_header(stream)).await;
        let client = match header.ok()? {
            Ok(Said::Source(client)) => client,
            Ok(Said::Nothing) => address,
            Err(error) => {
                if matches!(error, NoHeader::Invalid(_)) {
                    metrics::refused(Path::Realtime.as_str(), Code::ProxyHeaderInvalid);
                    self.silent_proxy.call_once(|| {
                        tracing::warn!(proxy = %address, %error, "a proxy's connection was closed (ingest.forwarded_by); this is said once");
                    });
                }
                tracing::debug!(proxy = %address, %error, "connection ended");
                return None;
            }
        };
        if client != address {
            place.belongs_to(Sharer::of(client));
        }
        Some(Peer { address: client, is_proxy: false, exchange: exchange.clone() })
    }
}

/// A connection in the count of those that are open, for as long as it is.
struct Open;

impl Open {
    fn new() -> Open {
        metrics::connection_opened();
        Open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::connection_closed();
    }
}
