//! One connection to a broker: the seam where MQTT 3.1.1 and 5 become the same few notices.
//!
//! Promises: the client library's event loop lives in a task of its own and dies with the [`Connection`], since its `poll` must not be
//! cancelled and its reconnecting drops messages silently; packets that were read before a failure are still reported. A connection is
//! used once. Deliberately knows nothing of records.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::send::Reason;
use boxbridge_config::MqttVersion;
use boxbridge_event::Message;

use super::PACKET_LEAST;
use super::dial::{Dial, Way};
use super::namesake::{End, is_hang_up};
use super::status::{Presence, Status};
use super::{v3, v5};

/// What the broker offers in its answer to CONNECT. MQTT 3.1.1 says nothing, so everything is assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub receive_maximum: u16,
    pub packet_max: Option<u32>,
    pub retain: bool,
    pub qos_1: bool,
}

impl Offer {
    /// Why no event could be delivered there.
    pub(super) fn fault(&self) -> Option<String> {
        if !self.qos_1 {
            return Some("the broker does not offer QoS 1".to_owned());
        }
        let bytes = self.packet_max.filter(|bytes| *bytes < PACKET_LEAST)?;
        Some(format!(
            "the broker announces a Maximum Packet Size of {bytes} bytes: no event fits into that"
        ))
    }
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

/// Why a connection ended, as far as the broker said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Unknown,
    /// No publication of ours: the broker is going down, another client has our name, or we gave up on a silent line.
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

    /// In the system's own words.
    pub fn of_io(error: &std::io::Error) -> Loss {
        if is_of_the_line(error) {
            return Loss::elsewhere(error.to_string());
        }
        let end = if is_hang_up(error) {
            End::HungUp
        } else {
            End::Other
        };
        Loss {
            end,
            ..Loss::of(error.to_string())
        }
    }
}

/// The settings to look at where a broker refuses the connection; both versions of the protocol do so in the same words.
pub(super) const LOGIN: &str = " (send.mqtt.username, and its password or password_file)";
pub(super) const LOGIN_OR_STATUS: &str = " (send.mqtt.username, and its password or password_file; or the broker does not allow the topic of send.mqtt.status_topic)";

/// The two versions of the protocol differ in this.
pub(super) trait Protocol: Send + 'static {
    /// Not cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Option<Notice>, Loss>> + Send;

    /// A packet that was read before an error and not yet reported.
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
    _poll: AbortOnDropHandle<()>,
    /// A relay ends with its connection.
    _way: Way,
}

/// Room beside the publications of records: for the status message and DISCONNECT.
const SPARE: usize = 4;

impl Connection {
    /// On its way to the broker; the first notice says whether it got there.
    pub fn start(dial: &Dial, way: Way) -> Connection {
        let requests = usize::from(dial.window) + SPARE;
        // Two notices for each publication: then the poll task never waits for the reader.
        let (sender, notices) = mpsc::channel(2 * requests);

        let (client, poll) = match dial.version {
            MqttVersion::V3 => {
                let (client, protocol) = v3::open(dial, &way, requests);
                (Client::V3(client), tokio::spawn(pump(protocol, sender)))
            }
            MqttVersion::V5 => {
                let (client, protocol) = v5::open(dial, &way, requests);
                (Client::V5(client), tokio::spawn(pump(protocol, sender)))
            }
        };

        Connection {
            client,
            notices,
            _poll: AbortOnDropHandle::new(poll),
            _way: way,
        }
    }

    /// Hands a message over for QoS 1, never retained; false if the connection is over.
    pub fn publish(&self, message: Message) -> bool {
        match &self.client {
            Client::V3(client) => v3::publish(client, message),
            Client::V5(client) => v5::publish(client, message),
        }
    }

    /// The same, retained: for what is told of a device.
    pub fn publish_retained(&self, message: Message) -> bool {
        match &self.client {
            Client::V3(client) => v3::publish_retained(client, &message.topic, message.payload),
            Client::V5(client) => v5::publish_retained_message(client, message),
        }
    }

    /// The same for the gateway's own status.
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

/// Whether the line failed, and not the broker: the kernel gave up, or knows no way.
fn is_of_the_line(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}
