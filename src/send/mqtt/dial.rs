//! Settings → a connection that the broker has agreed to.
//!
//! Promises: takes no longer than the dial's timeout; an error names the broker as the operator wrote it, and the address that was tried where that
//! says more. Deliberately tries once: the caller decides when to try again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use boxbridge_connect::tls;
use rumqttc::{Proxy, TlsConfiguration, Transport};
use tokio::time::{Instant, timeout_at};

use crate::send::ConnectError;
use boxbridge_config::{Broker, MqttTransport, MqttVersion, Secret};

use super::connection::{Connection, Notice, Offer};
use super::race::{Addresses, race};
use super::relay::Relay;
use super::status::Status;

/// Everything that is needed to connect.
pub(super) struct Dial {
    pub broker: Broker,
    pub addresses: Arc<Addresses>,
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

/// How the client library gets to the broker.
pub(super) enum Way {
    /// By its name, which has one address.
    Name,
    /// To this address: nothing on the wire says the name.
    Address(SocketAddr),
    /// Over a connection that is there already, by the name.
    Relay(Relay),
}

/// How long the library may wait for a connection, and for the kernel to take its bytes: longer than we do, so that we decide.
pub(super) const LIBRARY_TIMEOUT_SECONDS: u64 = 86_400;

impl Dial {
    /// The connection, and what the broker offers on it.
    pub async fn open(&self) -> Result<(Connection, Offer), ConnectError> {
        self.attempt().await.map_err(|error| {
            let remedy = tls::remedy(&error, "send.mqtt");
            let broker = url(&self.broker);
            ConnectError {
                message: format!("cannot connect to {broker}: {error}{remedy}"),
            }
        })
    }

    async fn attempt(&self) -> Result<(Connection, Offer), String> {
        let deadline = Instant::now() + self.timeout;
        let found = self.addresses.find(deadline).await?;
        let (address, way) = self.choose(&found, deadline).await?;

        let connected = self.connect(way, deadline).await;
        self.addresses.answered(address, connected.is_ok());

        let is_in_the_url = self.broker.host.parse::<IpAddr>().is_ok();
        connected.map_err(|error| match is_in_the_url {
            true => error,
            false => format!("{error} (tried {address})"),
        })
    }

    /// The way, and the address to which it leads. Among several addresses, or where they are not those of the name, the one that answers first.
    async fn choose(
        &self,
        found: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(SocketAddr, Way), String> {
        if let [address] = found
            && !self.addresses.is_fixed()
        {
            return Ok((*address, Way::Name));
        }

        let (address, stream) = race(found, deadline).await?;
        if self.broker.transport == MqttTransport::Tcp {
            return Ok((address, Way::Address(address)));
        }

        let relay = Relay::start(stream)
            .map_err(|error| format!("{address}: no way through the loopback: {error}"))?;
        Ok((address, Way::Relay(relay)))
    }

    /// The client library's part: TCP or the relay, TLS, WebSocket, CONNECT.
    async fn connect(&self, way: Way, deadline: Instant) -> Result<(Connection, Offer), String> {
        let mut connection = Connection::start(self, way);
        let first = timeout_at(deadline, connection.next())
            .await
            .map_err(|_| format!("no answer for {:?}", self.timeout))?;

        match first {
            Notice::Connected(offer) => match offer.fault() {
                None => Ok((connection, offer)),
                Some(fault) => Err(fault),
            },
            Notice::Lost(loss) => Err(loss.error),
            _ => Err(
                "its answer cannot be read: does it speak the version of send.mqtt.version?"
                    .to_owned(),
            ),
        }
    }

    /// The host, or the whole URL of a WebSocket: so the client library wants it.
    pub fn address(&self, way: &Way) -> String {
        match way {
            Way::Address(address) => address.ip().to_string(),
            _ if is_websocket(&self.broker) => url(&self.broker),
            _ => self.broker.host.clone(),
        }
    }

    pub fn port(&self, way: &Way) -> u16 {
        match way {
            Way::Address(address) => address.port(),
            Way::Name | Way::Relay(_) => self.broker.port,
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

impl Way {
    pub fn proxy(&self) -> Option<Proxy> {
        match self {
            Way::Relay(relay) => Some(relay.proxy()),
            Way::Name | Way::Address(_) => None,
        }
    }
}

/// The broker's address as the operator wrote it.
pub(super) fn url(broker: &Broker) -> String {
    let scheme = match broker.transport {
        MqttTransport::Tcp => "mqtt",
        MqttTransport::Tls => "mqtts",
        MqttTransport::WebSocket => "ws",
        MqttTransport::WebSocketTls => "wss",
    };
    let is_ipv6 = broker.host.contains(':');
    let (open, close) = if is_ipv6 { ("[", "]") } else { ("", "") };
    let path = if is_websocket(broker) {
        broker.path.as_str()
    } else {
        ""
    };

    format!(
        "{scheme}://{open}{}{close}:{}{path}",
        broker.host, broker.port
    )
}

fn is_websocket(broker: &Broker) -> bool {
    matches!(
        broker.transport,
        MqttTransport::WebSocket | MqttTransport::WebSocketTls
    )
}
