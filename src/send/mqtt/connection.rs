//! One connection to a broker: the seam where MQTT 3.1.1 and 5 become the same few notices.
//!
//! Promises: the client library's event loop lives in a task of its own and dies with the [`Connection`], since its `poll` must not be
//! cancelled and its reconnecting drops messages silently; what it had already read when it failed is still reported. A connection is
//! used once: whoever loses it dials again. Deliberately knows nothing of records.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::{TlsConfiguration, Transport};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{Broker, MqttTransport, MqttVersion, Secret};
use crate::event::Message;
use crate::send::{ConnectError, Reason};

use super::status::{Presence, Status};
use super::{v3, v5};

/// Everything that is needed to connect.
pub(super) struct Dial {
    pub broker: Broker,
    pub version: MqttVersion,
    pub tls: Option<TlsConfiguration>,
    pub client_id: String,
    pub login: Option<(String, Secret)>,
    pub will: Option<Status>,
    pub keep_alive: Duration,
    /// Of a packet of ours.
    pub packet_max: usize,
    /// Publications without an answer.
    pub window: u16,
    pub timeout: Duration,
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
}

/// What a connection ended for, as far as the broker said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Unknown,
    /// No publication of ours: it is going down, or somebody else has our name.
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
}

/// Room for what is not a publication of a record: the status message and DISCONNECT.
const SPARE: usize = 4;

impl Connection {
    /// Waits for the broker's consent, at most for the dial's timeout.
    pub async fn open(dial: &Dial) -> Result<Connection, ConnectError> {
        let requests = usize::from(dial.window) + SPARE;
        // Two notices for each publication: then the poll task never waits for whoever reads them.
        let (sender, mut notices) = mpsc::channel(2 * requests);
        let (client, poll) = match dial.version {
            MqttVersion::V3 => {
                let (client, protocol) = v3::open(dial, requests);
                (Client::V3(client), tokio::spawn(pump(protocol, sender)))
            }
            MqttVersion::V5 => {
                let (client, protocol) = v5::open(dial, requests);
                (Client::V5(client), tokio::spawn(pump(protocol, sender)))
            }
        };
        let poll = AbortOnDropHandle::new(poll);
        let failed = |error: String| ConnectError { message: format!("cannot connect to {}: {error}", url(&dial.broker)) };
        match tokio::time::timeout(dial.timeout, notices.recv()).await {
            Ok(Some(Notice::Connected(offer))) if !offer.qos_1 => Err(failed("the broker does not offer QoS 1".to_owned())),
            Ok(Some(Notice::Connected(offer))) => Ok(Connection { client, notices, offer, _poll: poll }),
            Ok(Some(Notice::Lost(loss))) => Err(failed(loss.error)),
            Ok(_) => Err(failed("its answer cannot be read: does it speak the version of send.mqtt.version?".to_owned())),
            Err(_) => Err(failed(format!("no answer for {:?}", dial.timeout))),
        }
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
        let ended = || Notice::Lost(Loss { error: "the connection's task ended".to_owned(), cause: Cause::Unknown });
        self.notices.recv().await.unwrap_or_else(ended)
    }
}

/// Runs a connection until it fails or nobody listens.
async fn pump(mut protocol: impl Protocol, notices: mpsc::Sender<Notice>) {
    let loss = loop {
        match protocol.next().await {
            Ok(None) => {}
            Ok(Some(notice)) => {
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
    let host = if broker.host.contains(':') { format!("[{}]", broker.host) } else { broker.host.clone() };
    let path = if is_websocket(broker) { broker.path.as_str() } else { "" };
    format!("{scheme}://{host}:{}{path}", broker.port)
}

fn is_websocket(broker: &Broker) -> bool {
    matches!(broker.transport, MqttTransport::WebSocket | MqttTransport::WebSocketTls)
}

impl Dial {
    /// The host, or the whole URL of a WebSocket: so the client library wants it.
    pub fn address(&self) -> String {
        if is_websocket(&self.broker) { url(&self.broker) } else { self.broker.host.clone() }
    }

    pub fn transport(&self) -> Transport {
        match (self.broker.transport, &self.tls) {
            (MqttTransport::Tls, Some(tls)) => Transport::tls_with_config(tls.clone()),
            (MqttTransport::WebSocketTls, Some(tls)) => Transport::wss_with_config(tls.clone()),
            (MqttTransport::WebSocket, _) => Transport::Ws,
            _ => Transport::Tcp,
        }
    }

    /// The library counts in seconds; this is over our own timeout, which then ends the attempt.
    pub fn timeout_seconds(&self) -> u64 {
        self.timeout.as_secs() + 1
    }

    /// The library panics below 5 s.
    pub fn keep_alive(&self) -> Duration {
        self.keep_alive.max(Duration::from_secs(5))
    }
}
