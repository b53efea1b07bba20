//! The gateway's connection: publications in, answers out.
//!
//! Promises: a publication is answered once the sessions have it, and the answer says whether anybody wanted it. A ping waits behind
//! [`NORMAL_MAX`] publications at most. The gateway's last will is published where its newest connection ends without a DISCONNECT.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Shared;
use super::super::packet::connect::{Connect, Will};
use super::super::packet::frame::{Frame, PACKET_MAX, PUBLISH, Packet};
use super::super::packet::publication::{Message, Publication};
use super::super::packet::reply::{Offer, Reply, Welcome};
use super::super::packet::request::Request;
use super::super::packet::{Role, reason};
use super::super::sessions::{Acknowledge, Priority, Sessions};
use super::writer::{Outbox, Writer};
use super::{Disconnected, Established, next_frame};
use boxbridge_event::Lane;

/// Publications of the normal lane without an answer: three seconds' worth for the slowest subscriber that is waited for.
const NORMAL_MAX: u16 = 64;

/// The gateway in one lane.
struct Publisher<'a> {
    shared: &'a Shared,
    priority: Priority,
    outbox: Arc<Outbox>,
}

impl<Io> Established<'_, Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Serves the gateway to its end. The reason that it is to be told then.
    pub(super) async fn publisher(self, connect: Connect) -> Option<u8> {
        let (shared, slot) = (self.shared, self.slot);
        let id = connect.client_id;
        slot.becomes_gateway();
        shared.access.publisher_connected(&id, slot);

        let disconnected = self.publish(priority(&id), connect.keep_alive).await;

        let is_newest = shared.access.publisher_disconnected(&id, slot.number);
        let is_gone = is_newest && !disconnected.is_orderly;
        if let Some(will) = connect.will.filter(|_| is_gone) {
            publish_will(&shared.sessions, &will).await;
        }
        disconnected.reason
    }

    /// Until either side ends it.
    async fn publish(mut self, priority: Priority, keep_alive: Duration) -> Disconnected {
        let welcome = Welcome {
            offer: Some(offer(priority)),
            ..Welcome::default()
        };
        let connack = Reply::Connected(welcome).encode(self.version);
        if self.writer.write(&connack).await.is_err() {
            return Disconnected::default();
        }

        let publisher = Publisher {
            shared: self.shared,
            priority,
            outbox: Arc::new(self.outbox),
        };
        tokio::select! {
            reason = self.slot.closing.closed() => Disconnected::because(reason),
            disconnected = publications(&mut self.reader, keep_alive, &publisher) => disconnected,
            Err(_) = answers(self.writer, &publisher.outbox) => Disconnected::default(),
        }
    }
}

fn priority(client_id: &str) -> Priority {
    if client_id.ends_with(Lane::Urgent.as_str()) {
        Priority::Alert
    } else {
        Priority::Normal
    }
}

/// Alerts may wait for their answers in the first seconds. The others wait in the gateway, so that its pings do not wait behind them.
fn offer(priority: Priority) -> Offer {
    let receive_maximum = match priority {
        Priority::Alert => u16::MAX,
        Priority::Normal => NORMAL_MAX,
    };
    Offer {
        receive_maximum,
        packet_max: PACKET_MAX,
    }
}

async fn publish_will(sessions: &Sessions, will: &Will) {
    if let Some(message) = Message::of_will(will, &sessions.held) {
        let (kind, nobody) = ((will.qos, will.retain), Box::new(|_| {}));
        sessions
            .publish(message, kind, Priority::Alert, nobody)
            .await;
    }
}

/// Reads the gateway's publications, until it disconnects.
async fn publications(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    publisher: &Publisher<'_>,
) -> Disconnected {
    loop {
        let packet = match next_frame(reader, Role::Gateway, keep_alive).await {
            Ok(Frame::Whole(packet)) => packet,
            Ok(Frame::Publication { .. }) => return Disconnected::because(reason::MALFORMED),
            Err(disconnected) => return disconnected,
        };

        let taken = if packet.first() >> 4 == PUBLISH {
            publisher.publish(packet).await
        } else {
            publisher.answer(packet)
        };
        if let Err(disconnected) = taken {
            return disconnected;
        }
    }
}

impl Publisher<'_> {
    async fn publish(&self, packet: Packet) -> Result<(), Disconnected> {
        let sessions = &self.shared.sessions;
        let first = packet.first();
        let body = packet.bytes.freeze().slice(packet.body..);
        let Publication {
            message,
            qos,
            retain,
            packet_id,
        } = Publication::parse(first, body, &sessions.held)
            .ok_or_else(|| Disconnected::because(reason::MALFORMED))?;

        let answer = self.answer_to(qos, packet_id);
        sessions
            .publish(message, (qos, retain), self.priority, answer)
            .await;
        Ok(())
    }

    /// How a publication is answered, once it is known whether anybody wanted it.
    fn answer_to(&self, qos: u8, packet_id: u16) -> Acknowledge {
        let outbox = Arc::clone(&self.outbox);
        Box::new(move |is_heard| {
            let reason = if is_heard {
                reason::SUCCESS
            } else {
                reason::NO_SUBSCRIBERS
            };

            if qos > 0 {
                outbox.put(&Reply::Published {
                    packet_id,
                    qos,
                    reason,
                });
            }
        })
    }

    fn answer(&self, packet: Packet) -> Result<(), Disconnected> {
        match Request::parse(packet.bytes, self.outbox.version()) {
            Ok(Request::Ping) => {
                self.outbox.put(&Reply::Pong);
                Ok(())
            }
            Ok(Request::Disconnect { with_will, .. }) => Err(Disconnected {
                is_orderly: !with_will,
                ..Disconnected::default()
            }),
            // It does not subscribe, and QoS 2 it does not publish.
            _ => Err(Disconnected::because(reason::MALFORMED)),
        }
    }
}

/// Writes the answers to the gateway.
async fn answers<Io: AsyncWrite>(
    writer: &mut Writer<Io>,
    outbox: &Outbox,
) -> std::io::Result<Infallible> {
    loop {
        while let Some(reply) = outbox.take() {
            writer.put(&reply).await?;
        }
        writer.flush().await?;
        outbox.wake.notified().await;
    }
}
