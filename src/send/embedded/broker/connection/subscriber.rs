//! A subscriber's connection: requests in, messages out.
//!
//! Promises: a publication of a client goes nowhere: MQTT 5 is told 0x87; MQTT 3.1.1 has no words for it, so it is acknowledged and only the log
//! says it. What the client asked for in CONNECT is kept to: receive maximum, packet size, keep alive. Deliberately sends no QoS 2.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Shared;
use super::super::packet::incoming::{Connect, Frame, Request, Role};
use super::super::packet::outgoing::{PublishOptions, Reply, publish_head, reason};
use super::super::sessions::{ConnectionHandle, Delivery, Sessions};
use super::writer::{Outbox, Writer};
use super::{Disconnected, Established, frame};
use boxbridge_event::Sharer;

/// The client, as the sessions know it.
struct Client<'a> {
    id: &'a str,
    connection: u64,
    packet_max: u32,
}

/// Tells the sessions that the connection is over when it is dropped, however that comes about.
struct SessionGuard<'a> {
    sessions: &'a Sessions,
    id: &'a str,
    connection: u64,
    expiry: Option<Duration>,
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.sessions
            .disconnect(self.id, self.connection, self.expiry);
    }
}

impl<Io> Established<'_, Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Serves a subscriber to its end. The reason that it is to be told then.
    pub(super) async fn subscriber(mut self, connect: Connect) -> Option<u8> {
        let assigned = connect
            .client_id
            .is_empty()
            .then(|| uuid::Uuid::new_v4().simple().to_string());
        let id = assigned.clone().unwrap_or(connect.client_id);
        // They may hold a whole packet each, as long as the connection lives.
        drop((connect.login, connect.will));

        let sessions = &self.shared.sessions;
        let handle = ConnectionHandle {
            number: self.slot.number,
            from: Sharer::of(self.from),
            wake: Arc::clone(&self.outbox.wake),
            closing: Arc::clone(&self.slot.closing),
            receive_maximum: connect.receive_maximum,
        };
        let asked = connect
            .expiry_seconds
            .map(|seconds| Duration::from_secs(seconds.into()));
        let resumption = sessions.connect(&id, handle, connect.clean_start, asked);
        let mut guard = SessionGuard {
            sessions,
            id: &id,
            connection: self.slot.number,
            expiry: None,
        };

        // The client is told how long its session is kept where that is not what it asked for.
        let kept = u32::try_from(resumption.kept_for.as_secs()).unwrap_or(u32::MAX);
        let expiry_seconds = Some(kept).filter(|kept| connect.expiry_seconds != Some(*kept));
        let connack = Reply::Connected {
            is_present: resumption.is_present,
            expiry_seconds,
            assigned,
            limits: None,
        };

        let client = Client {
            id: &id,
            connection: self.slot.number,
            packet_max: connect.packet_max,
        };
        let disconnected = match self.writer.write(&connack.encode(self.version)).await {
            Err(_) => Disconnected::default(),
            Ok(()) => {
                let Established {
                    shared,
                    from,
                    outbox,
                    reader,
                    writer,
                    slot,
                    ..
                } = &mut self;
                tokio::select! {
                    reason = slot.closing.closed() => Disconnected::because(reason),
                    disconnected = requests(reader, connect.keep_alive, &client, (shared, *from), outbox) => disconnected,
                    disconnected = deliveries(writer, &client, sessions, outbox) => disconnected,
                }
            }
        };
        guard.expiry = disconnected.expiry;
        disconnected.reason
    }
}

/// Reads what a subscriber asks for, until it disconnects.
async fn requests(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    client: &Client<'_>,
    (shared, from): (&Arc<Shared>, IpAddr),
    outbox: &Outbox,
) -> Disconnected {
    loop {
        outbox.has_room().await;
        let packet = match frame(reader, Role::Client, keep_alive).await {
            Ok(Frame::Whole { packet, .. }) => packet,
            Ok(Frame::Publication { qos, packet_id }) => {
                shared.access.refuse_publication("publication", from);
                if qos > 0 {
                    outbox.put(&Reply::Published {
                        packet_id,
                        qos,
                        reason: reason::NOT_AUTHORISED,
                    });
                }
                continue;
            }
            Err(disconnected) => return disconnected,
        };

        let request = match Request::parse(packet, outbox.version()) {
            Ok(Request::Disconnect { expiry_seconds, .. }) => {
                let expiry = expiry_seconds.map(|seconds| Duration::from_secs(seconds.into()));
                return Disconnected {
                    is_orderly: true,
                    expiry,
                    reason: None,
                };
            }
            Ok(request) => request,
            Err(reason) => return Disconnected::because(reason),
        };
        if let Some(reply) = answer(request, client, &shared.sessions) {
            outbox.put(&reply);
        }
    }
}

/// Does what a request asks for; the answer, where it has one.
fn answer(request: Request, client: &Client<'_>, sessions: &Sessions) -> Option<Reply> {
    match request {
        Request::Acknowledged(packet_id) => {
            sessions.acknowledged(client.id, client.connection, packet_id);
            None
        }
        Request::Ping => Some(Reply::Pong),
        Request::Release(packet_id) => Some(Reply::Released(packet_id)),
        Request::Subscribe {
            packet_id,
            id,
            requests,
        } => {
            let reasons = sessions.subscribe(client.id, client.connection, id, requests);
            Some(Reply::Subscribed { packet_id, reasons })
        }
        Request::Unsubscribe { packet_id, filters } => {
            let reasons = sessions.unsubscribe(client.id, client.connection, &filters);
            Some(Reply::Unsubscribed { packet_id, reasons })
        }
        Request::Disconnect { .. } => None,
    }
}

/// Writes what waits for a subscriber, as long as it takes it.
async fn deliveries<Io>(
    writer: &mut Writer<Io>,
    client: &Client<'_>,
    sessions: &Sessions,
    outbox: &Outbox,
) -> Disconnected
where
    Io: AsyncWrite,
{
    let packet_max = usize::try_from(client.packet_max).unwrap_or(usize::MAX);
    loop {
        while let Some(reply) = outbox.take() {
            if writer.put(&reply).await.is_err() {
                return Disconnected::default();
            }
        }

        let written = match sessions.next(client.id, client.connection) {
            Some((delivery, packet_id)) => {
                let Delivery {
                    message,
                    retain,
                    is_again,
                    subscriptions,
                    ..
                } = &delivery;
                let options = PublishOptions {
                    retain: *retain,
                    is_again: *is_again,
                    packet_id,
                    subscriptions,
                };
                let head = publish_head(message, options, outbox.version());
                if head.len() + message.payload.len() > packet_max {
                    sessions.too_large(client.id, client.connection, packet_id);
                    continue;
                }
                writer.put_all(&head, &message.payload).await
            }
            None => match writer.flush().await {
                Ok(()) => {
                    outbox.wake.notified().await;
                    Ok(())
                }
                failed => failed,
            },
        };
        if written.is_err() {
            return Disconnected::default();
        }
    }
}
