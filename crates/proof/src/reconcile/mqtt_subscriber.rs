//! Subscribes to MQTT as a careful consumer would: QoS 1, a session that outlives a broken connection.
//!
//! Promises: a session that the broker lost is noted as a gap in the recording, since what came meanwhile is missing for the
//! subscriber's sake. Deliberately no TLS of its own: it is for the broker's side of the firewall.

use std::time::Duration;

use boxbridge_connect::tls;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Error;
use super::bus::Bus;
use super::recording::Recorded;
use super::sink::Sink;
use boxbridge_config::{self as config, Broker, MqttTransport};

/// How long the first connection and subscription may take.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long the broker keeps our session while we are away; afterwards it forgets us by itself.
const SESSION_SECONDS: u32 = 600;
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Events with inline pictures are large.
const PACKET_MAX_BYTES: u32 = 256 << 20;

/// Subscribes, and goes on listening until the sink's `stop`.
pub async fn listen(
    mqtt: &config::Mqtt,
    filters: Vec<String>,
    sink: Sink,
) -> Result<JoinHandle<Result<(), Error>>, Error> {
    let broker = match &mqtt.broker {
        Some(broker) => broker.clone(),
        None => Broker {
            transport: MqttTransport::Tcp,
            host: mqtt.embedded.listen.ip().to_string(),
            port: mqtt.embedded.listen.port(),
            path: String::new(),
        },
    };
    let failed = |reason: String| Error::Mqtt {
        broker: format!("{}:{}", broker.host, broker.port),
        reason,
    };
    let tls = || -> Result<rumqttc::TlsConfiguration, Error> {
        let config = tls::client_config(&mqtt.tls).map_err(|error| failed(error.to_string()))?;
        Ok(rumqttc::TlsConfiguration::Rustls(config))
    };
    let (scheme, transport) = match broker.transport {
        MqttTransport::Tcp => (None, rumqttc::Transport::Tcp),
        MqttTransport::Tls => (None, rumqttc::Transport::Tls(tls()?)),
        MqttTransport::WebSocket => (Some("ws"), rumqttc::Transport::Ws),
        MqttTransport::WebSocketTls => (Some("wss"), rumqttc::Transport::Wss(tls()?)),
    };
    let place = scheme.map_or(broker.host.clone(), |scheme| {
        format!("{scheme}://{}:{}{}", broker.host, broker.port, broker.path)
    });
    let mut options = MqttOptions::new(client_id(), place, broker.port);
    options.set_transport(transport);
    options.set_keep_alive(mqtt.keep_alive.max(Duration::from_secs(5)));
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_SECONDS));
    options.set_max_packet_size(Some(PACKET_MAX_BYTES));
    if let Some(username) = &mqtt.username {
        options.set_credentials(username, mqtt.password.expose());
    }
    let (client, eventloop) = AsyncClient::new(options, 16);
    let (ready, subscribed) = oneshot::channel();
    let address = format!("{}:{}", broker.host, broker.port);
    let subscriber = Subscriber {
        address,
        client,
        filters,
        sink,
        ready: Some(ready),
        connections: 0,
        session: Session::New,
    };
    let listener = tokio::spawn(subscriber.run(eventloop));
    match tokio::time::timeout(READY_WITHIN, subscribed).await {
        Ok(Ok(Ok(()))) => Ok(listener),
        Ok(Ok(Err(reason))) => Err(failed(reason)),
        Ok(Err(_)) | Err(_) => {
            listener.abort();
            Err(failed(format!("no subscription after {READY_WITHIN:?}")))
        }
    }
}

/// A name of its own, so that two recordings do not throw each other out.
fn client_id() -> String {
    format!("boxbridge-reconcile-{}", uuid::Uuid::new_v4().simple())
}

struct Subscriber {
    /// For messages.
    address: String,
    client: AsyncClient,
    filters: Vec<String>,
    sink: Sink,
    /// Told once, when the first subscription stands or is refused.
    ready: Option<oneshot::Sender<Result<(), String>>>,
    connections: u64,
    session: Session,
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
    async fn run(mut self, mut eventloop: EventLoop) -> Result<(), Error> {
        let stop = self.sink.stop.clone();
        // `poll` must not be cut off and called again; here it is cut off once, at the end.
        while let Some(event) = stop.run_until_cancelled(eventloop.poll()).await {
            match event {
                Ok(Event::Incoming(packet)) => {
                    if let Err(reason) = self.packet(packet).await {
                        stop.cancel();
                        return Err(Error::Mqtt {
                            broker: self.address,
                            reason,
                        });
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(error) => {
                    if let Some(ready) = self.ready.take() {
                        // Whoever starts with a broker that is not there wants to know at once.
                        let _ = ready.send(Err(error.to_string()));
                        break;
                    }
                    tracing::debug!(%error, "the subscriber lost its connection");
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        }
        Ok(())
    }

    /// An error says why listening is over.
    async fn packet(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::ConnAck(answer) => {
                self.session = match (self.connections, answer.session_present) {
                    (0, _) => Session::New,
                    (_, true) => Session::Kept,
                    (_, false) => Session::Lost,
                };
                self.connections += 1;
                let filters = self
                    .filters
                    .iter()
                    .map(|filter| Filter::new(filter.clone(), QoS::AtLeastOnce));
                // The channel is empty at this moment: subscribing is all that is ever asked of it.
                self.client
                    .try_subscribe_many(filters)
                    .map_err(|error| error.to_string())
            }
            Packet::SubAck(answer) => self.subscribed(&answer.return_codes).await,
            Packet::Publish(message) => {
                let topic = String::from_utf8_lossy(&message.topic);
                self.sink
                    .put(Recorded::read(
                        Bus::Mqtt,
                        &topic,
                        &message.payload,
                        message.retain,
                        &self.sink.rules,
                    ))
                    .await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn subscribed(&mut self, codes: &[SubscribeReasonCode]) -> Result<(), String> {
        let refused = codes
            .iter()
            .find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
        let told = refused.map_or(Ok(()), |code| {
            Err(format!("the subscription was refused: {code:?}"))
        });
        if let Some(ready) = self.ready.take() {
            // An error means that nobody waits any more.
            let _ = ready.send(told.clone());
        }
        if self.session == Session::Lost && told.is_ok() {
            // Noted only now, so that whoever sees it knows that we listen again.
            self.sink.put(Recorded::Gap(Bus::Mqtt)).await;
        }
        told
    }
}
