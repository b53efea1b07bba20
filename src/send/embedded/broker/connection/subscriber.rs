//! A subscriber's connection: requests in, messages out.
//!
//! Promises: a publication of a client goes nowhere: MQTT 5 is told 0x87; MQTT 3.1.1 has no words for it, so it is acknowledged and only the log
//! says it. The client's own limits in CONNECT are kept to: receive maximum, packet size, keep alive. A user's clients are its own: no other user
//! takes over their sessions, or closes their connections. Deliberately sends no QoS 2.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Shared;
use super::super::packet::connect::Connect;
use super::super::packet::frame::Frame;
use super::super::packet::publication::Message;
use super::super::packet::reply::{PublishOptions, Reply, Welcome, publish_head};
use super::super::packet::request::Request;
use super::super::packet::{Role, Version, reason};
use super::super::sessions::ConnectionHandle;
use super::writer::{Outbox, Writer};
use super::{Disconnected, Established, next_frame};
use boxbridge_event::ShareKey;

/// A connected client. Dropping it tells the sessions that the connection is over.
struct Client<'a> {
    shared: &'a Shared,
    /// Of its session: its client id, behind its user's name where it has one.
    id: String,
    from: IpAddr,
    connection: u64,
    packet_max: usize,
    /// How long its session is kept, where it said so in its DISCONNECT.
    expiry: Option<Duration>,
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let sessions = &self.shared.sessions;
        sessions.disconnect(&self.id, self.connection, self.expiry);
    }
}

impl<'a, Io> Established<'a, Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Serves a subscriber to its end. The reason that it is to be told then.
    pub(super) async fn subscriber(mut self, mut connect: Connect) -> Option<u8> {
        // They may hold a whole packet each, as long as the connection lives.
        (connect.login, connect.will) = (None, None);

        let (mut client, welcome) = self.enter(&connect);
        let connack = Reply::Connected(welcome).encode(self.version);
        let disconnected = match self.writer.write(&connack).await {
            Ok(()) => self.exchange(&client, connect.keep_alive).await,
            Err(_) => Disconnected::default(),
        };

        client.expiry = disconnected.expiry;
        disconnected.reason
    }

    /// Takes up the client's session, or makes one.
    fn enter(&self, connect: &Connect) -> (Client<'a>, Welcome) {
        let is_nameless = connect.client_id.is_empty();
        let assigned = is_nameless.then(|| uuid::Uuid::new_v4().simple().to_string());
        let id = assigned.clone().unwrap_or(connect.client_id.clone());
        let client = Client {
            shared: self.shared,
            id: match self.slot.user() {
                // A name has no colon in it, so no two are the same.
                Some(user) => format!("{user}:{id}"),
                None => id,
            },
            from: self.from,
            connection: self.slot.number,
            packet_max: usize::try_from(connect.packet_max).unwrap_or(usize::MAX),
            expiry: None,
        };

        let handle = ConnectionHandle {
            number: self.slot.number,
            from: ShareKey::of(self.from),
            wake: Arc::clone(&self.outbox.wake),
            closing: Arc::clone(&self.slot.closing),
            receive_maximum: connect.receive_maximum,
        };
        let asked = connect.expiry_seconds.map(seconds);
        let sessions = &self.shared.sessions;
        let resumption = sessions.connect(&client.id, handle, connect.clean_start, asked);

        let kept = u32::try_from(resumption.kept_for.as_secs()).unwrap_or(u32::MAX);
        let welcome = Welcome {
            is_present: resumption.is_present,
            expiry_seconds: Some(kept).filter(|kept| connect.expiry_seconds != Some(*kept)),
            assigned,
            offer: None,
        };
        (client, welcome)
    }

    /// Until either side ends it.
    async fn exchange(&mut self, client: &Client<'_>, keep_alive: Duration) -> Disconnected {
        tokio::select! {
            reason = self.slot.closing.closed() => Disconnected::because(reason),
            disconnected = requests(&mut self.reader, keep_alive, client, &self.outbox) => disconnected,
            Err(_) = deliveries(self.writer, client, &self.outbox) => Disconnected::default(),
        }
    }
}

/// Reads and answers a subscriber's requests, until it disconnects.
async fn requests(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    client: &Client<'_>,
    outbox: &Outbox,
) -> Disconnected {
    loop {
        outbox.has_room().await;
        let reply = match next_frame(reader, Role::Client, keep_alive).await {
            Ok(Frame::Publication { qos, packet_id }) => client.refuse(qos, packet_id),
            Ok(Frame::Whole(packet)) => match Request::parse(packet.bytes, outbox.version()) {
                Ok(Request::Disconnect { expiry_seconds, .. }) => {
                    return Disconnected {
                        is_orderly: true,
                        expiry: expiry_seconds.map(seconds),
                        reason: None,
                    };
                }
                Ok(request) => client.answer(request),
                Err(reason) => return Disconnected::because(reason),
            },
            Err(disconnected) => return disconnected,
        };

        if let Some(reply) = reply {
            outbox.put(&reply);
        }
    }
}

/// Writes a subscriber's answers and messages, as long as it takes them.
async fn deliveries<Io: AsyncWrite>(
    writer: &mut Writer<Io>,
    client: &Client<'_>,
    outbox: &Outbox,
) -> std::io::Result<Infallible> {
    loop {
        while let Some(reply) = outbox.take() {
            writer.put(&reply).await?;
        }

        match client.next(outbox.version()) {
            Some((head, message)) => writer.put_all(&head, &message.payload).await?,
            None => {
                writer.flush().await?;
                outbox.wake.notified().await;
            }
        }
    }
}

impl Client<'_> {
    /// The answer to a publication, where it has one.
    fn refuse(&self, qos: u8, packet_id: u16) -> Option<Reply> {
        self.shared
            .access
            .refuse_publication("publication", self.from);
        (qos > 0).then_some(Reply::Published {
            packet_id,
            qos,
            reason: reason::NOT_AUTHORISED,
        })
    }

    /// Fulfils a request; the answer, where it has one.
    fn answer(&self, request: Request) -> Option<Reply> {
        let sessions = &self.shared.sessions;
        match request {
            Request::Acknowledged(packet_id) => {
                sessions.acknowledged(&self.id, self.connection, packet_id);
                None
            }
            Request::Ping => Some(Reply::Pong),
            Request::Release(packet_id) => Some(Reply::Released(packet_id)),

            Request::Subscribe {
                packet_id,
                id,
                requests,
            } => {
                let reasons = sessions.subscribe(&self.id, self.connection, id, requests);
                Some(Reply::Subscribed { packet_id, reasons })
            }
            Request::Unsubscribe { packet_id, filters } => {
                let reasons = sessions.unsubscribe(&self.id, self.connection, &filters);
                Some(Reply::Unsubscribed { packet_id, reasons })
            }
            Request::Disconnect { .. } => None,
        }
    }

    /// The next message that goes out, and the packet up to its payload.
    fn next(&self, version: Version) -> Option<(BytesMut, Arc<Message>)> {
        let sessions = &self.shared.sessions;
        loop {
            let (delivery, packet_id) = sessions.next(&self.id, self.connection)?;
            let options = PublishOptions {
                retain: delivery.retain,
                is_again: delivery.is_again,
                packet_id,
                subscriptions: &delivery.subscriptions,
            };
            let head = publish_head(&delivery.message, options, version);
            if head.len() + delivery.message.payload.len() <= self.packet_max {
                return Some((head, delivery.message));
            }

            sessions.too_large(&self.id, self.connection, packet_id);
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}
