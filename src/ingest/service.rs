//! The HTTP service on the boxes' port: its shared state, and how one connection is served.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Once};

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authorization::Proof;
use super::body_memory::{BodyMemory, Budget, History, Limit};
use super::handler::handle;
use super::path::Path;
use super::port::{
    self, Activity, Deadlines, Greeting, NewConnection, NoHeader, Place, Places, Port, Said, Wire,
};
use super::refusals::Refusals;
use super::{Accept, Ended, answer, body};
use crate::metrics;
use boxbridge_config::{Current, ForwardedBy};
use boxbridge_connect::tls::Encryption;
use boxbridge_event::{Code, Refusal, ShareKey};

/// Stands for the path in the log where no request was read.
pub(super) const NO_PATH: &str = "?";

/// The state that all connections of the boxes share.
pub struct Service<A> {
    pub(super) accept: Arc<A>,
    settings: Current<boxbridge_config::Ingest>,
    places: Arc<Places>,
    pub(super) realtime: Arc<Budget>,
    pub(super) history: Arc<History>,
    pub(super) commits: TaskTracker,
    /// Once cancelled, every answer is the last of its connection.
    leaving: CancellationToken,
    /// A misconfigured proxy is misconfigured for every request: one line in the log is enough.
    pub(super) silent_proxy: Once,
    pub(super) refusals: Refusals,
}

/// Nobody else's history body is worked on while this is held.
pub struct HistoryTurn {
    pub memory: BodyMemory,
    _turn: Option<OwnedSemaphorePermit>,
}

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(super) struct Peer {
    pub address: IpAddr,
    /// A trusted proxy, whose headers name the sender.
    pub is_proxy: bool,
    pub greeting: Greeting,
    pub activity: Activity,
    /// What the connection itself lets its requests in with.
    pub proof: Option<Proof>,
    place: Arc<Place>,
}

impl Peer {
    /// The connection's place is that of `source`, which sent a request. A proxy's stands for many.
    pub fn let_in(&self, source: ShareKey) {
        if !self.is_proxy {
            self.place.belongs_to(source);
        }
        self.has_sent();
    }

    /// Something came that was taken, or proved to be allowed: its address is no stranger's.
    pub fn has_sent(&self) {
        if !self.is_proxy {
            self.place.remember(ShareKey::of(self.address));
        }
    }
}

impl<A: Accept> Service<A> {
    /// The work on bodies runs in `commits`, which outlives connections. Once `leaving`, each connection ends with its answer.
    pub fn new(
        accept: Arc<A>,
        settings: boxbridge_config::Ingest,
        commits: TaskTracker,
        leaving: CancellationToken,
    ) -> Arc<Service<A>> {
        Arc::new(Service {
            accept,
            places: Places::new(
                settings.connections_max,
                settings.ports().count(),
                port::PATIENCE,
            ),
            realtime: Budget::new(Limit::live(&settings)),
            history: History::new(Limit::of_history(&settings)),
            settings: Current::new(settings),
            commits,
            leaving,
            silent_proxy: Once::new(),
            refusals: Refusals::default(),
        })
    }

    /// These sent something before we started: they are no strangers.
    pub fn know(&self, sources: impl IntoIterator<Item = ShareKey>) {
        self.places.know(sources);
    }

    /// Room for a history body of so many bytes that comes from no connection, and its turn: the same as those of boxes have.
    pub async fn history_turn(&self, bytes: usize) -> Result<HistoryTurn, Refusal> {
        let limit = self.settings().history_body_max_bytes;
        if bytes > limit {
            return Err(body::too_large(limit, Some(bytes as u64)));
        }

        let held = self.history.hold();
        held.grow_to(bytes).await?;
        let turn = held.turn().await;
        Ok(HistoryTurn {
            memory: BodyMemory::History(held),
            _turn: turn,
        })
    }

    /// Holds for every request, and every connection, that begins from now on.
    pub fn adopt(&self, settings: boxbridge_config::Ingest) {
        self.realtime.limit.replace(Limit::live(&settings));
        self.history.limit.replace(Limit::of_history(&settings));
        self.settings.replace(settings);
    }

    pub(super) fn settings(&self) -> Arc<boxbridge_config::Ingest> {
        self.settings.now()
    }

    /// Who is at the other end of a connection from `address`; `None` if its proxy does not say.
    async fn peer(
        &self,
        stream: &mut TcpStream,
        address: IpAddr,
        activity: &Activity,
        place: &Arc<Place>,
    ) -> Option<Peer> {
        let settings = self.settings();
        let is_proxy = settings.trusted_proxies.contains(address);
        let peer = |address, is_proxy| Peer {
            address,
            is_proxy,
            greeting: Greeting::Plain,
            activity: activity.clone(),
            proof: None,
            place: Arc::clone(place),
        };
        if !is_proxy || settings.forwarded_by != ForwardedBy::ProxyProtocol {
            return Some(peer(address, is_proxy));
        }

        let header = port::read_proxy_header(stream);
        let header = tokio::time::timeout(settings.header_timeout, header).await;
        match header.ok()? {
            Ok(Said::Nothing) => Some(peer(address, false)),
            Ok(Said::Source(client)) => {
                if client != address {
                    place.belongs_to(ShareKey::of(client));
                }
                Some(peer(client, false))
            }
            Err(error) => {
                self.no_proxy_header(address, &error);
                None
            }
        }
    }

    /// Opens a connection, and finds out who is at the other end; `None` if that ends it.
    async fn opened(
        &self,
        (mut stream, encryption): (TcpStream, Encryption),
        address: IpAddr,
        activity: &Activity,
        place: &Arc<Place>,
    ) -> Option<(Wire, Peer)> {
        let mut peer = self.peer(&mut stream, address, activity, place).await?;
        let settings = self.settings();
        let deadlines = Deadlines {
            idle: settings.idle_timeout,
            head: settings.header_timeout,
        };

        match port::open(stream, encryption.now(), activity, deadlines, place).await {
            Ok((wire, greeting)) => {
                let shown = wire.certificates();
                peer.proof = shown.and_then(|shown| Proof::of(shown, encryption));
                peer.greeting = greeting;
                Some((wire, peer))
            }
            Err(error) => {
                self.not_opened(peer.address, &error);
                None
            }
        }
    }

    /// What serves the requests of one connection.
    fn http(
        self: &Arc<Self>,
        peer: Peer,
    ) -> impl tower::Service<
        Request<Incoming>,
        Response = Response,
        Error = Infallible,
        Future: Send,
    > + Clone
    + use<A> {
        let service = Arc::clone(self);
        tower::service_fn(move |request: Request<Incoming>| {
            let (service, peer) = (Arc::clone(&service), peer.clone());
            async move { Ok(service.answered(peer, request.map(Body::new)).await) }
        })
    }

    async fn answered(self: Arc<Self>, peer: Peer, request: Request<Body>) -> Response {
        let mut response = handle(&self, peer, request).await;
        // A client that keeps its connection must connect anew, and so find the next process or the next gateway.
        if self.leaving.is_cancelled() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    fn no_proxy_header(&self, proxy: IpAddr, error: &NoHeader) {
        if matches!(error, NoHeader::Invalid(_)) {
            self.refused_unread(Code::ProxyHeaderInvalid);
            self.silent_proxy.call_once(|| {
                tracing::warn!(%proxy, %error, "a proxy's connection was closed (ingest.forwarded_by); this is said once");
            });
        }
        tracing::debug!(%proxy, %error, "connection ended");
    }

    /// Counts a request whose path was not read: under the first feed.
    fn refused_unread(&self, code: Code) {
        let feed = Path::Realtime.as_str();
        self.accept.count(feed, Ended::Refused(code));
    }

    /// A box that does not trust our certificate, or shows a wrong one, loses its event: that is counted. Who only looked does not.
    fn not_opened(&self, source: IpAddr, error: &io::Error) {
        if port::is_failed_handshake(error) {
            self.refused_unread(Code::TlsFailed);
            self.refusals.say_why(source, Code::TlsFailed, error);
        }
        tracing::debug!(peer = %source, %error, "connection ended");
    }

    fn connection_failed(&self, source: IpAddr, error: &hyper::Error) {
        // hyper answers these requests itself, without a body; here they are counted and logged.
        let code = match () {
            () if error.is_parse_too_large() => Some(Code::HeadersTooLarge),
            () if error.is_parse() => Some(Code::RequestInvalid),
            () => None,
        };
        if let Some(code) = code {
            self.refused_unread(code);
            self.refusals.say(source, NO_PATH, code);
        }
        tracing::debug!(peer = %source, %error, "connection ended");
    }
}

impl<A: Accept> Port for Service<A> {
    fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// A trusted proxy takes no share: the boxes behind it do, request by request.
    fn source(&self, address: IpAddr) -> Option<ShareKey> {
        (!self.settings().trusted_proxies.contains(address)).then(|| ShareKey::of(address))
    }

    async fn serve(self: Arc<Self>, connection: NewConnection, stop: CancellationToken) {
        let NewConnection {
            stream,
            encryption,
            address,
            activity,
            place,
        } = connection;
        let _open = OpenConnection::new();
        let address = address.ip().to_canonical();
        let place = Arc::new(place);
        let opened = tokio::select! {
            // A stop between the accept and this line must not drop a connection that is ready.
            biased;
            opened = self.opened((stream, encryption), address, &activity, &place) => opened,
            () = port::last_call(&stop, &activity) => None,
        };
        let Some((wire, peer)) = opened else { return };

        let source = peer.address;
        let service = self.http(peer);
        if let Err(error) = port::run(wire, service, &activity, &stop).await {
            self.connection_failed(source, &error);
        }
    }

    fn turn_away(&self, address: IpAddr) -> &'static str {
        self.refused_unread(Code::OverBudget);
        self.refusals
            .say(address.to_canonical(), NO_PATH, Code::OverBudget);
        answer::NO_PLACE
    }
}

/// Counts a connection as open while it lives.
struct OpenConnection;

impl OpenConnection {
    fn new() -> OpenConnection {
        metrics::connection_opened();
        OpenConnection
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::connection_closed();
    }
}
