//! The gateway's connection: publications in, answers out.
//!
//! Promises: a publication is answered once the sessions have it, and the answer says whether anybody wanted it. A ping waits behind
//! [`NORMAL_MAX`] publications at most. The gateway's last will is published where its newest connection ends without a DISCONNECT.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Shared;
use super::super::packet::incoming::{Connect, Frame, PACKET_MAX, PUBLISH, Request, Role, Will};
use super::super::packet::outgoing::{Limits, Reply, reason};
use super::super::packet::publication::{Message, Publication};
use super::super::sessions::{Priority, Sessions};
use super::writer::{Outbox, Writer};
use super::{Disconnected, Established, frame};
use boxbridge_event::Lane;

/// Publications of the normal lane without an answer: three seconds' worth for the slowest subscriber that is waited for.
const NORMAL_MAX: u16 = 64;

impl<Io> Established<'_, Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Serves the gateway to its end. The reason that it is to be told then.
    pub(super) async fn publisher(mut self, connect: Connect) -> Option<u8> {
        self.slot.becomes_gateway();
        let id = connect.client_id;
        self.shared.access.publisher_connected(&id, self.slot);

        let priority = if id.ends_with(Lane::Urgent.as_str()) {
            Priority::Alert
        } else {
            Priority::Normal
        };
        // Alerts may wait for their answers in the first seconds. The others wait in the gateway, so that its pings do not wait behind them.
        let receive_maximum = if priority == Priority::Alert {
            u16::MAX
        } else {
            NORMAL_MAX
        };
        let limits = Some(Limits {
            receive_maximum,
            packet_max: PACKET_MAX,
        });
        let connack = Reply::Connected {
            is_present: false,
            expiry_seconds: None,
            assigned: None,
            limits,
        };

        let outbox = Arc::new(self.outbox);
        let disconnected = match self.writer.write(&connack.encode(self.version)).await {
            Err(_) => Disconnected::default(),
            Ok(()) => tokio::select! {
                reason = self.slot.closing.closed() => Disconnected::because(reason),
                disconnected = publications(&mut self.reader, connect.keep_alive, (self.shared, priority), &outbox) => disconnected,
                disconnected = answers(self.writer, &outbox) => disconnected,
            },
        };

        let is_newest = self
            .shared
            .access
            .publisher_disconnected(&id, self.slot.number);
        if let Some(will) = connect
            .will
            .filter(|_| is_newest && !disconnected.is_orderly)
        {
            publish_will(&self.shared.sessions, &will).await;
        }
        disconnected.reason
    }
}

async fn publish_will(sessions: &Sessions, will: &Will) {
    let message = Message::will(
        &will.topic,
        &will.payload,
        will.is_text,
        will.content_type.as_deref(),
        &sessions.held,
    );
    if let Some(message) = message {
        sessions
            .publish(
                message,
                (will.qos, will.retain),
                Priority::Alert,
                Box::new(|_| {}),
            )
            .await;
    }
}

/// Reads what the gateway publishes, until it disconnects.
async fn publications(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    (shared, priority): (&Arc<Shared>, Priority),
    outbox: &Arc<Outbox>,
) -> Disconnected {
    let sessions = &shared.sessions;
    loop {
        let (packet, body) = match frame(reader, Role::Gateway, keep_alive).await {
            Ok(Frame::Whole { packet, body }) => (packet, body),
            Ok(Frame::Publication { .. }) => return Disconnected::because(reason::MALFORMED),
            Err(disconnected) => return disconnected,
        };

        let first = packet.first().copied().unwrap_or_default();
        if first >> 4 == PUBLISH {
            let packet = packet.freeze();
            let Some(publication) = Publication::parse(first, packet.slice(body..), &sessions.held)
            else {
                return Disconnected::because(reason::MALFORMED);
            };
            let Publication {
                message,
                qos,
                retain,
                packet_id,
            } = publication;
            let outbox = Arc::clone(outbox);
            let answer = move |is_heard: bool| {
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
            };
            sessions
                .publish(message, (qos, retain), priority, Box::new(answer))
                .await;
            continue;
        }

        match Request::parse(packet, outbox.version()) {
            Ok(Request::Ping) => outbox.put(&Reply::Pong),
            Ok(Request::Disconnect { with_will, .. }) => {
                return Disconnected {
                    is_orderly: !with_will,
                    ..Disconnected::default()
                };
            }
            // It does not subscribe, and QoS 2 it does not publish.
            _ => return Disconnected::because(reason::MALFORMED),
        }
    }
}

/// Writes the answers to the gateway.
async fn answers<Io: AsyncWrite>(writer: &mut Writer<Io>, outbox: &Outbox) -> Disconnected {
    loop {
        while let Some(reply) = outbox.take() {
            if writer.put(&reply).await.is_err() {
                return Disconnected::default();
            }
        }
        if writer.flush().await.is_err() {
            return Disconnected::default();
        }
        outbox.wake.notified().await;
    }
}
