//! One connection to a broker: the seam where MQTT 3.1.1 and 5 become the same few notices.
//!
//! Promises: the client library's event loop lives in a task of its own and dies with the [`Connection`], since its `poll` must not be
//! cancelled and its reconnecting drops messages silently; what it had already read when it failed is still reported. A connection is
//! used once: whoever loses it dials again. Deliberately knows nothing of records.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use boxbridge_connect::tls;
use bytes::Bytes;
use rumqttc::{Proxy, TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::send::{ConnectError, Reason};
use boxbridge_config::{Broker, MqttTransport, MqttVersion, Secret};
use boxbridge_event::Message;

use super::namesake::{End, Namesake};
use super::race::{Addresses, race};
use super::relay::Relay;
use super::status::{Presence, Status};
use super::{v3, v5};

/// Everything that is needed to connect.
pub(super) struct Dial {
    pub broker: Broker,
    pub addresses: Arc<Addresses>,
    /// How the client library gets there; [`Connection::open`] finds it out.
    pub route: Route,
    pub version: MqttVersion,
    pub tls: Option<TlsConfiguration>,
    /// The client id, and who else may use it.
    pub namesake: Arc<Namesake>,
    pub login: Option<(String, Secret)>,
    pub will: Option<Status>,
    pub keep_alive: Duration,
    /// Of a packet of ours.
    pub packet_max: usize,
    /// Publications without an answer.
    pub window: u16,
    pub timeout: Duration,
}

/// What the library may wait for a connection, and for the kernel to take what it writes: longer than we do, so that we decide.
pub(super) const LIBRARY_TIMEOUT_SECONDS: u64 = 86_400;

/// How the client library is led to the broker.
#[derive(Clone)]
pub(super) enum Route {
    /// By its name, which has one address.
    Name,
    /// To this address: nothing on the wire says the name.
    Address(SocketAddr),
    /// Over a connection that is there, by the name.
    Relay(Proxy),
}

/// What the broker offers in its answer to CONNECT. MQTT 3.1.1 says nothing, so everything is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub receive_maximum: u16,
    pub packet_max: Option<u32>,
    pub retain: bool,
    pub qos_1: bool,
}

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Notice {
    Connected(Offer),
    /// A publication was written, under this packet id.
    Published(u16),
    Answered {
        packet_id: u16,
        verdict: Verdict,
    },
    /// PINGREQ was written.
    Pinged,
    /// The broker answered it.
    Ponged,
    /// DISCONNECT was written.
    Disconnected,
    Lost(Loss),
}

/// How the broker answered a publication.
#[derive(Debug)]
pub(super) enum Verdict {
    Taken { heard: bool },
    Refused(Reason, String),
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct Loss {
    pub error: String,
    pub cause: Cause,
    pub end: End,
}

/// What a connection ended for, as far as the broker said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Unknown,
    /// No publication of ours: the broker is going down, somebody else has our name, or we gave up waiting for what nothing was heard of.
    Elsewhere,
    Publication(Culprit, Reason),
}

/// Which publication ended it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Culprit {
    /// The oldest without an answer: the broker answered it in words that the client library cannot read.
    Oldest,
    /// The broker said why but not for which: known only if one alone was on its way.
    Only,
}

impl Loss {
    pub fn of(error: impl Into<String>) -> Loss {
        Loss {
            error: error.into(),
            cause: Cause::Unknown,
            end: End::Other,
        }
    }

    /// It is over, and the broker did not end it.
    pub fn elsewhere(error: impl Into<String>) -> Loss {
        Loss {
            cause: Cause::Elsewhere,
            ..Loss::of(error)
        }
    }
}

/// What the two versions of the protocol do each in their own way.
pub(super) trait Protocol: Send + 'static {
    /// Not cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Notice>, Loss>> + Send;

    /// What was read before an error and not yet reported.
    fn left_over(&mut self) -> Option<Notice>;
}

/// The sending half.
enum Client {
    V3(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

pub(super) struct Connection {
    client: Client,
    notices: mpsc::Receiver<Notice>,
    pub offer: Offer,
    _poll: AbortOnDropHandle<()>,
    _relay: Option<Relay>,
}

/// Room for what is not a publication of a record: the status message and DISCONNECT.
const SPARE: usize = 4;

impl Connection {
    /// Waits for the broker's consent, at most for the dial's timeout.
    pub async fn open(mut dial: Dial) -> Result<Connection, ConnectError> {
        let deadline = Instant::now() + dial.timeout;
        let at = url(&dial.broker);
        let failed = |error: String| {
            let remedy = tls::remedy(&error, "send.mqtt");
            ConnectError {
                message: format!("cannot connect to {at}: {error}{remedy}"),
            }
        };

        let found = dial.addresses.find(deadline).await.map_err(failed)?;
        let relay = dial.choose(&found, deadline).await.map_err(failed)?;
        let address = match &dial.route {
            Route::Address(address) => *address,
            Route::Name => found
                .first()
                .copied()
                .ok_or_else(|| failed("no address".to_owned()))?,
            Route::Relay(_) => relay
                .as_ref()
                .map(|(address, _)| *address)
                .ok_or_else(|| failed("no address".to_owned()))?,
        };
        let opened = dial.connect(deadline).await;
        dial.addresses.answered(address, opened.is_ok());
        // Where a name stands for several, or for one that nobody sees, the address is said as well.
        let known = dial.broker.host.parse::<IpAddr>().is_ok();
        let tried = |error: String| {
            if known {
                failed(error)
            } else {
                failed(format!("{error} (tried {address})"))
            }
        };
        let connection = opened.map_err(tried)?;
        Ok(Connection {
            _relay: relay.map(|(_, relay)| relay),
            ..connection
        })
    }

    /// Hands a message over for QoS 1, never retained; false if the connection is over.
    pub fn publish(&self, message: Message) -> bool {
        match &self.client {
            Client::V3(client) => v3::publish(client, message),
            Client::V5(client) => v5::publish(client, message),
        }
    }

    /// The same for the status message, retained.
    pub fn publish_status(&self, status: &Status, presence: Presence) -> bool {
        let payload = Bytes::from(status.payload(presence));
        match &self.client {
            Client::V3(client) => v3::publish_retained(client, &status.topic, payload),
            Client::V5(client) => v5::publish_retained(client, &status.topic, payload),
        }
    }

    /// Says goodbye, so that the broker forgets the last will. Not bounded in time: the caller does that.
    pub async fn leave(&mut self) {
        let accepted = match &self.client {
            Client::V3(client) => client.try_disconnect().is_ok(),
            Client::V5(client) => client.try_disconnect().is_ok(),
        };
        while accepted && !matches!(self.next().await, Notice::Disconnected | Notice::Lost(_)) {}
    }

    /// The next notice; cancel-safe. The last is `Lost`.
    pub async fn next(&mut self) -> Notice {
        let ended = || Notice::Lost(Loss::of("the connection's task ended"));
        self.notices.recv().await.unwrap_or_else(ended)
    }
}

/// Runs a connection until it fails or nobody listens.
async fn pump(mut protocol: impl Protocol, notices: mpsc::Sender<Notice>, namesake: Arc<Namesake>) {
    let mut connected: Option<Instant> = None;
    // Publications that the broker owes an answer.
    let mut owed: u32 = 0;
    let mut loss = loop {
        match protocol.next().await {
            Ok(None) => {}
            Ok(Some(notice)) => {
                match notice {
                    Notice::Connected(_) => connected = Some(Instant::now()),
                    Notice::Published(_) => owed += 1,
                    Notice::Answered { .. } => owed = owed.saturating_sub(1),
                    Notice::Pinged | Notice::Ponged | Notice::Disconnected | Notice::Lost(_) => {}
                }
                if notices.send(notice).await.is_err() {
                    return;
                }
            }
            Err(loss) => break loss,
        }
    };

    while let Some(notice) = protocol.left_over() {
        if notices.send(notice).await.is_err() {
            return;
        }
    }

    if let Some(connected) = connected {
        let end = if loss.end == End::HungUp && owed > 0 {
            End::Other
        } else {
            loss.end
        };
        if let Some(said) = namesake.ended(end, connected.elapsed()) {
            loss.error = said;
        }
    }
    // If nobody listens any more, nobody is told.
    drop(notices.send(Notice::Lost(loss)).await);
}

/// The broker's address as the operator wrote it.
pub(super) fn url(broker: &Broker) -> String {
    let scheme = match broker.transport {
        MqttTransport::Tcp => "mqtt",
        MqttTransport::Tls => "mqtts",
        MqttTransport::WebSocket => "ws",
        MqttTransport::WebSocketTls => "wss",
    };
    let host = if broker.host.contains(':') {
        format!("[{}]", broker.host)
    } else {
        broker.host.clone()
    };
    let path = if is_websocket(broker) {
        broker.path.as_str()
    } else {
        ""
    };
    format!("{scheme}://{host}:{}{path}", broker.port)
}

fn is_websocket(broker: &Broker) -> bool {
    matches!(
        broker.transport,
        MqttTransport::WebSocket | MqttTransport::WebSocketTls
    )
}

impl Dial {
    /// Among several addresses, the one that answers: the client library would wait for the first.
    async fn choose(
        &mut self,
        found: &[SocketAddr],
        deadline: Instant,
    ) -> Result<Option<(SocketAddr, Relay)>, String> {
        if found.len() == 1 && !self.addresses.is_fixed() {
            return Ok(None);
        }
        let (address, stream) = race(found, deadline).await?;
        if self.broker.transport == MqttTransport::Tcp {
            self.route = Route::Address(address);
            return Ok(None);
        }
        let relay = Relay::start(stream)
            .map_err(|error| format!("{address}: no way through the loopback: {error}"))?;
        self.route = Route::Relay(relay.proxy());
        Ok(Some((address, relay)))
    }

    /// The client library's part: TCP or the relay, TLS, WebSocket, CONNECT.
    async fn connect(&self, deadline: Instant) -> Result<Connection, String> {
        let requests = usize::from(self.window) + SPARE;
        // Two notices for each publication: then the poll task never waits for whoever reads them.
        let (sender, mut notices) = mpsc::channel(2 * requests);
        let namesake = Arc::clone(&self.namesake);

        let (client, poll) = match self.version {
            MqttVersion::V3 => {
                let (client, protocol) = v3::open(self, requests);
                (
                    Client::V3(client),
                    tokio::spawn(pump(protocol, sender, namesake)),
                )
            }
            MqttVersion::V5 => {
                let (client, protocol) = v5::open(self, requests);
                (
                    Client::V5(client),
                    tokio::spawn(pump(protocol, sender, namesake)),
                )
            }
        };
        let poll = AbortOnDropHandle::new(poll);

        match tokio::time::timeout_at(deadline, notices.recv()).await {
            Ok(Some(Notice::Connected(offer))) if !offer.qos_1 => {
                Err("the broker does not offer QoS 1".to_owned())
            }
            Ok(Some(Notice::Connected(offer))) => Ok(Connection {
                client,
                notices,
                offer,
                _poll: poll,
                _relay: None,
            }),
            Ok(Some(Notice::Lost(loss))) => Err(loss.error),
            Ok(_) => Err(
                "its answer cannot be read: does it speak the version of send.mqtt.version?"
                    .to_owned(),
            ),
            Err(_) => Err(format!("no answer for {:?}", self.timeout)),
        }
    }

    /// The host, or the whole URL of a WebSocket: so the client library wants it.
    pub fn address(&self) -> String {
        match &self.route {
            Route::Address(address) => address.ip().to_string(),
            _ if is_websocket(&self.broker) => url(&self.broker),
            _ => self.broker.host.clone(),
        }
    }

    pub fn port(&self) -> u16 {
        if let Route::Address(address) = &self.route {
            address.port()
        } else {
            self.broker.port
        }
    }

    pub fn proxy(&self) -> Option<Proxy> {
        if let Route::Relay(proxy) = &self.route {
            Some(proxy.clone())
        } else {
            None
        }
    }

    pub fn transport(&self) -> Transport {
        match (self.broker.transport, &self.tls) {
            (MqttTransport::Tls, Some(tls)) => Transport::tls_with_config(tls.clone()),
            (MqttTransport::WebSocketTls, Some(tls)) => Transport::wss_with_config(tls.clone()),
            (MqttTransport::WebSocket, _) => Transport::Ws,
            _ => Transport::Tcp,
        }
    }

    /// The library panics below 5 s.
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive.max(Duration::from_secs(5))
    }
}

/// Whether the line failed, and not the broker: the kernel gave up, or knows no way.
pub(super) fn is_of_the_line(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}
