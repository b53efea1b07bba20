//! Subscribes to MQTT as a careful consumer would: QoS 1, a session that outlives a broken connection.
//!
//! Promises: a session that the broker lost is noted as a gap in the recording: messages that are missing then may be the
//! subscriber's fault; and for as long as there is no connection, that is noted too. Deliberately says nothing on the broker but its subscriptions: no status, no last will.

use std::time::Duration;

use boxbridge_connect::tls::{self, TlsError};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::sink::Sink;
use crate::reconcile::Error;
use crate::reconcile::recording::Recorded;
use boxbridge_config::{self as config, Broker, MqttTransport};

/// How long the first connection and subscription may take.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long the broker keeps our session while we are away; afterwards it forgets us by itself.
pub const SESSION_SECONDS: u32 = 600;
/// The shortest that the client library takes: a broker that hangs is noticed within two of them.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Events with inline pictures are large.
const PACKET_MAX_BYTES: u32 = 256 << 20;

/// Subscribes, and goes on listening until the sink's `stop`.
pub async fn listen(
    mqtt: &config::Mqtt,
    filters: Vec<String>,
    sink: Sink,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let broker = mqtt.broker.clone().unwrap_or_else(|| embedded(mqtt));
    let (bus, address) = (sink.bus.clone(), format!("{}:{}", broker.host, broker.port));
    let failed = move |reason: String| Error::Listen {
        bus: bus.clone(),
        address: address.clone(),
        reason,
    };

    let options = options(mqtt, &broker).map_err(|error| failed(error.to_string()))?;
    let (client, eventloop) = AsyncClient::new(options, 16);
    let (ready, subscribed) = oneshot::channel();
    let subscriber = Subscriber {
        client,
        filters,
        sink,
        ready: Some(ready),
        connections: 0,
        session: Session::New,
        is_away: false,
    };

    let gave_up = failed.clone();
    let listener = tokio::spawn(async move { subscriber.run(eventloop).await.map_err(gave_up) });
    match tokio::time::timeout(READY_WITHIN, subscribed).await {
        Ok(Ok(Ok(()))) => Ok(listener),
        Ok(Ok(Err(reason))) => Err(failed(reason)),
        Ok(Err(_)) | Err(_) => {
            listener.abort();
            Err(failed(format!("no subscription after {READY_WITHIN:?}")))
        }
    }
}

/// The broker inside the gateway, where the settings name no other.
fn embedded(mqtt: &config::Mqtt) -> Broker {
    let listen = config::reached(mqtt.embedded.listen);
    Broker {
        transport: MqttTransport::Tcp,
        host: listen.ip().to_string(),
        port: listen.port(),
        path: String::new(),
    }
}

fn options(mqtt: &config::Mqtt, broker: &Broker) -> Result<MqttOptions, TlsError> {
    let tls = || tls::client_config(&mqtt.tls).map(rumqttc::TlsConfiguration::Rustls);
    let (scheme, transport) = match broker.transport {
        MqttTransport::Tcp => (None, rumqttc::Transport::Tcp),
        MqttTransport::Tls => (None, rumqttc::Transport::Tls(tls()?)),
        MqttTransport::WebSocket => (Some("ws"), rumqttc::Transport::Ws),
        MqttTransport::WebSocketTls => (Some("wss"), rumqttc::Transport::Wss(tls()?)),
    };
    let host = match scheme {
        Some(scheme) => format!("{scheme}://{}:{}{}", broker.host, broker.port, broker.path),
        None => broker.host.clone(),
    };

    let mut options = MqttOptions::new(client_id(), host, broker.port);
    options.set_transport(transport);
    options.set_keep_alive(KEEP_ALIVE);
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_SECONDS));
    options.set_max_packet_size(Some(PACKET_MAX_BYTES));
    if let Some(username) = &mqtt.username {
        options.set_credentials(username, mqtt.password.expose());
    }
    Ok(options)
}

/// A name of its own, so that two recordings do not throw each other out.
fn client_id() -> String {
    format!("boxbridge-reconcile-{}", uuid::Uuid::new_v4().simple())
}

struct Subscriber {
    client: AsyncClient,
    filters: Vec<String>,
    sink: Sink,
    /// Told once, when the first subscription stands or is refused.
    ready: Option<oneshot::Sender<Result<(), String>>>,
    connections: u64,
    session: Session,
    /// Noted as away.
    is_away: bool,
}

/// What became of the session on the last connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    /// The first one.
    New,
    Kept,
    /// The broker knew nothing of us any more.
    Lost,
}

impl Subscriber {
    /// An error says why listening is over.
    async fn run(mut self, mut eventloop: EventLoop) -> Result<(), String> {
        let stop = self.sink.stop.clone();

        // `poll` must not be cut off and called again; here it is cut off once, at the end.
        while let Some(event) = stop.run_until_cancelled(eventloop.poll()).await {
            match event {
                Ok(Event::Incoming(packet)) => {
                    if let Err(reason) = self.packet(packet).await {
                        stop.cancel();
                        return Err(reason);
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => {
                    if let Some(ready) = self.ready.take() {
                        // The first connection fails: the one who started us wants to know at once.
                        let _ = ready.send(Err(error.to_string()));
                        break;
                    }
                    tracing::debug!(%error, "the subscriber lost its connection");
                    self.note_away().await;
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        }
        Ok(())
    }

    async fn packet(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::ConnAck(answer) => self.connected(answer.session_present),
            Packet::SubAck(answer) => self.subscribed(&answer.return_codes).await,
            Packet::Publish(message) => {
                let topic = String::from_utf8_lossy(&message.topic);
                let line = self.sink.read(&topic, &message.payload, message.retain);
                self.sink.put(line).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn connected(&mut self, is_session_kept: bool) -> Result<(), String> {
        self.session = match (self.connections, is_session_kept) {
            (0, _) => Session::New,
            (_, true) => Session::Kept,
            (_, false) => Session::Lost,
        };
        self.connections += 1;

        let filters = self.filters.iter();
        let filters = filters.map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce));
        // The channel is empty at this moment: subscribing is all that is ever asked of it.
        self.client
            .try_subscribe_many(filters)
            .map_err(|error| error.to_string())
    }

    async fn subscribed(&mut self, codes: &[SubscribeReasonCode]) -> Result<(), String> {
        let is_refused =
            |code: &&SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
        let told = match codes.iter().find(is_refused) {
            Some(code) => Err(format!("the subscription was refused: {code:?}")),
            None => Ok(()),
        };

        if let Some(ready) = self.ready.take() {
            // An error means that nobody waits any more.
            let _ = ready.send(told.clone());
        }
        if self.session == Session::Lost && told.is_ok() {
            // Noted only now: one who sees it knows that we listen again.
            self.sink.put(Recorded::Gap(self.sink.bus.clone())).await;
        }
        if told.is_ok() && std::mem::take(&mut self.is_away) {
            self.sink.put(Recorded::Back(self.sink.bus.clone())).await;
        }
        told
    }

    async fn note_away(&mut self) {
        if !std::mem::replace(&mut self.is_away, true) {
            self.sink.put(Recorded::Away(self.sink.bus.clone())).await;
        }
    }
}
