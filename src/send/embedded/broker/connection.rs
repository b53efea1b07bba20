//! One connection: CONNECT, then requests in and messages out until either side ends it.
//!
//! Promises: whoever does not say CONNECT in time, or takes nothing of what is written, is disconnected. A publication
//! of anybody but our own gateway goes nowhere: MQTT 5 is told 0x87, for MQTT 3.1.1, which has no words for it, the log is. Never logs a
//! topic or a payload.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadHalf};
use tokio::time::timeout;

use super::exchange::{Exchange, Haste};
use super::guests::Place;
use super::house::House;
use super::message::{Message, Publication};
use super::pen::{Outbox, Pen};
use super::reply::{self, Limits, Manner, Reply, reason};
use super::session::{Delivery, Line};
use super::wire::{self, Connect, Frame, NoConnect, PACKET_MAX, Request, Rights, Version, Will};
use crate::event::Lane;

/// From the connection to its CONNECT.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const GOODBYE_WITHIN: Duration = Duration::from_millis(200);
/// Publications of the normal lane without an answer: three seconds' worth for the slowest subscriber that is waited for.
const IN_TURN_MAX: u16 = 64;
const BUFFER: usize = 4 << 10;

/// How a connection ended, as its client said.
#[derive(Debug, Default)]
struct Leave {
    /// It said goodbye, so that its will is void.
    is_orderly: bool,
    expiry: Option<Duration>,
    /// What is to be told to it.
    reason: Option<u8>,
}

impl Leave {
    fn because(reason: u8) -> Leave {
        Leave { reason: Some(reason), ..Leave::default() }
    }
}

/// Serves it to its end.
pub(super) async fn serve<Io>(io: Io, from: IpAddr, place: Place, house: Arc<House>)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (read, write) = tokio::io::split(io);
    let mut reader = BufReader::with_capacity(BUFFER, read);
    let mut pen = Pen::new(write);
    let connect = tokio::select! {
        _ = place.ending.ended() => return,
        connect = timeout(CONNECT_WITHIN, first(&mut reader)) => connect,
    };
    let connect = match connect {
        Ok(Ok(connect)) => connect,
        Ok(Err(NoConnect::Refused(version, reason))) => {
            drop(pen.write(&Reply::Refused(reason).encode(version)).await);
            drop(timeout(GOODBYE_WITHIN, pen.close()).await);
            return;
        }
        Ok(Err(NoConnect::Garbage)) | Err(_) => return,
    };

    let version = connect.version;
    let reason = match house.judge(&connect, &place, from) {
        Ok(Rights::Client) => {
            let guest = Guest { house: &house, place: &place, from, version, outbox: Outbox::default(), reader, pen: &mut pen };
            guest.subscribe(connect).await
        }
        Ok(Rights::Gateway) => {
            place.is_gateway();
            let guest = Guest { house: &house, place: &place, from, version, outbox: Outbox::default(), reader, pen: &mut pen };
            guest.publish(connect).await
        }
        Err(reason) => {
            drop(pen.write(&Reply::Refused(reason).encode(version)).await);
            None
        }
    };
    // A packet that was begun cannot be followed by another.
    if let Some(reason) = reason.filter(|_| !pen.is_amid()) {
        drop(timeout(GOODBYE_WITHIN, pen.write(&Reply::Goodbye(reason).encode(version))).await);
    }
    drop(timeout(GOODBYE_WITHIN, pen.close()).await);
}

async fn first(reader: &mut (impl AsyncRead + Unpin)) -> Result<Connect, NoConnect> {
    match wire::read(reader, Rights::Client).await {
        Ok(Frame::Whole { packet, body }) => Connect::parse(packet, body),
        Ok(Frame::Publication { .. }) | Err(_) => Err(NoConnect::Garbage),
    }
}

/// A connection that said CONNECT and may stay.
struct Guest<'a, Io> {
    house: &'a Arc<House>,
    place: &'a Place,
    from: IpAddr,
    version: Version,
    outbox: Outbox,
    reader: BufReader<ReadHalf<Io>>,
    pen: &'a mut Pen<Io>,
}

impl<Io> Guest<'_, Io>
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// A subscriber, to its end: what is to be told to it then.
    async fn subscribe(mut self, connect: Connect) -> Option<u8> {
        let assigned = connect.client_id.is_empty().then(|| uuid::Uuid::new_v4().simple().to_string());
        let id = assigned.clone().unwrap_or(connect.client_id);
        // They may hold a packet each, as long as the connection lives.
        drop((connect.login, connect.will));
        let line = Line {
            number: self.place.number,
            from: self.from,
            wake: Arc::clone(&self.outbox.wake),
            ending: Arc::clone(&self.place.ending),
            receive_maximum: connect.receive_maximum,
        };
        let asked = connect.expiry_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let exchange = &self.house.exchange;
        let welcome = exchange.connect(&id, line, connect.clean_start, asked);
        let kept = u32::try_from(welcome.kept_for.as_secs()).unwrap_or(u32::MAX);
        let expiry_seconds = Some(kept).filter(|kept| connect.expiry_seconds != Some(*kept));
        let hello = Reply::Connected { is_present: welcome.is_present, expiry_seconds, assigned, limits: None };
        let client = Client { id: &id, line: self.place.number, packet_max: connect.packet_max };
        let mut seat = Seat { exchange, id: &id, line: self.place.number, expiry: None };
        let leave = match self.pen.write(&hello.encode(self.version)).await {
            Err(_) => Leave::default(),
            Ok(()) => {
                let Guest { house, from, version, outbox, reader, pen, place } = &mut self;
                tokio::select! {
                    reason = place.ending.ended() => Leave::because(reason),
                    leave = requests(reader, connect.keep_alive, &client, (house, *from), (outbox, *version)) => leave,
                    leave = deliveries(pen, &client, exchange, (outbox, *version)) => leave,
                }
            }
        };
        seat.expiry = leave.expiry;
        leave.reason
    }

    /// The gateway, to its end.
    async fn publish(mut self, connect: Connect) -> Option<u8> {
        let id = connect.client_id;
        self.house.publishes(&id, self.place);
        let haste = if id.ends_with(Lane::Urgent.as_str()) { Haste::Alert } else { Haste::InTurn };
        // Alerts may wait for their answers in the first seconds. The others wait in the gateway, so that its pings do not wait behind them.
        let receive_maximum = if haste == Haste::Alert { u16::MAX } else { IN_TURN_MAX };
        let limits = Some(Limits { receive_maximum, packet_max: PACKET_MAX });
        let hello = Reply::Connected { is_present: false, expiry_seconds: None, assigned: None, limits };
        let outbox = Arc::new(std::mem::take(&mut self.outbox));
        let leave = match self.pen.write(&hello.encode(self.version)).await {
            Err(_) => Leave::default(),
            Ok(()) => tokio::select! {
                reason = self.place.ending.ended() => Leave::because(reason),
                leave = publications(&mut self.reader, connect.keep_alive, (self.house, haste), (&outbox, self.version)) => leave,
                leave = answers(self.pen, &outbox) => leave,
            },
        };
        let is_newest = self.house.unpublishes(&id, self.place.number);
        if let Some(will) = connect.will.filter(|_| is_newest && !leave.is_orderly) {
            bequeath(&self.house.exchange, &will).await;
        }
        leave.reason
    }
}

async fn bequeath(exchange: &Exchange, will: &Will) {
    let message = Message::will(&will.topic, &will.payload, will.is_text, will.content_type.as_deref(), &exchange.held);
    if let Some(message) = message {
        exchange.publish(message, (will.qos, will.retain), Haste::Alert, Box::new(|_| {})).await;
    }
}

/// A session's connection; it is over when this is dropped, however that comes about.
struct Seat<'a> {
    exchange: &'a Exchange,
    id: &'a str,
    line: u64,
    expiry: Option<Duration>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.exchange.disconnect(self.id, self.line, self.expiry);
    }
}

/// Who a subscriber is to the exchange.
struct Client<'a> {
    id: &'a str,
    line: u64,
    packet_max: u32,
}

type Said<'a> = (&'a Outbox, Version);

/// Reads what a subscriber asks for, until it leaves.
async fn requests(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    client: &Client<'_>,
    (house, from): (&Arc<House>, IpAddr),
    (outbox, version): Said<'_>,
) -> Leave {
    let exchange = &house.exchange;
    loop {
        outbox.has_room().await;
        let packet = match frame(reader, Rights::Client, keep_alive).await {
            Ok(Frame::Whole { packet, .. }) => packet,
            Ok(Frame::Publication { qos, packet_id }) => {
                house.turn_away("publication", from);
                if qos > 0 {
                    outbox.put(&Reply::Published { packet_id, qos, reason: reason::NOT_AUTHORISED }, version);
                }
                continue;
            }
            Err(leave) => return leave,
        };
        let reply = match Request::parse(packet, version) {
            Err(reason) => return Leave::because(reason),
            Ok(Request::Disconnect { expiry_seconds, .. }) => {
                let expiry = expiry_seconds.map(|seconds| Duration::from_secs(seconds.into()));
                return Leave { is_orderly: true, expiry, reason: None };
            }
            Ok(Request::Acknowledged(packet_id)) => {
                exchange.acknowledged(client.id, client.line, packet_id);
                continue;
            }
            Ok(Request::Ping) => Reply::Pong,
            Ok(Request::Release(packet_id)) => Reply::Released(packet_id),
            Ok(Request::Subscribe { packet_id, id, wanted }) => {
                Reply::Subscribed { packet_id, reasons: exchange.subscribe(client.id, client.line, id, wanted) }
            }
            Ok(Request::Unsubscribe { packet_id, filters }) => {
                Reply::Unsubscribed { packet_id, reasons: exchange.unsubscribe(client.id, client.line, &filters) }
            }
        };
        outbox.put(&reply, version);
    }
}

/// Writes what waits for a subscriber, as long as it takes it.
async fn deliveries<Io>(pen: &mut Pen<Io>, client: &Client<'_>, exchange: &Exchange, (outbox, version): Said<'_>) -> Leave
where
    Io: AsyncWrite,
{
    loop {
        while let Some(reply) = outbox.take() {
            if pen.put(&reply).await.is_err() {
                return Leave::default();
            }
        }
        let written = match exchange.next(client.id, client.line) {
            Some((delivery, packet_id)) => {
                let Delivery { message, retain, is_again, subscriptions, .. } = &delivery;
                let manner = Manner { retain: *retain, is_again: *is_again, packet_id, subscriptions };
                let head = reply::publish_head(message, manner, version);
                if head.len() + message.payload.len() > usize::try_from(client.packet_max).unwrap_or(usize::MAX) {
                    exchange.too_large(client.id, client.line, packet_id);
                    continue;
                }
                pen.put_all(&head, &message.payload).await
            }
            None => match pen.flush().await {
                Ok(()) => {
                    outbox.wake.notified().await;
                    Ok(())
                }
                failed => failed,
            },
        };
        if written.is_err() {
            return Leave::default();
        }
    }
}

/// Reads what the gateway publishes, until it leaves.
async fn publications(
    reader: &mut (impl AsyncRead + Unpin),
    keep_alive: Duration,
    (house, haste): (&Arc<House>, Haste),
    (outbox, version): (&Arc<Outbox>, Version),
) -> Leave {
    let exchange = &house.exchange;
    loop {
        let (packet, body) = match frame(reader, Rights::Gateway, keep_alive).await {
            Ok(Frame::Whole { packet, body }) => (packet, body),
            Ok(Frame::Publication { .. }) => return Leave::because(reason::MALFORMED),
            Err(leave) => return leave,
        };
        let first = packet.first().copied().unwrap_or_default();
        if first >> 4 == 3 {
            let packet = packet.freeze();
            let Some(publication) = Publication::parse(first, packet.slice(body..), &exchange.held) else {
                return Leave::because(reason::MALFORMED);
            };
            let Publication { message, qos, retain, packet_id } = publication;
            let outbox = Arc::clone(outbox);
            let answer = move |is_heard: bool| {
                let reason = if is_heard { reason::SUCCESS } else { reason::NO_SUBSCRIBERS };
                if qos > 0 {
                    outbox.put(&Reply::Published { packet_id, qos, reason }, version);
                }
            };
            exchange.publish(message, (qos, retain), haste, Box::new(answer)).await;
            continue;
        }
        match Request::parse(packet, version) {
            Ok(Request::Ping) => outbox.put(&Reply::Pong, version),
            Ok(Request::Disconnect { with_will, .. }) => return Leave { is_orderly: !with_will, ..Leave::default() },
            // It does not subscribe, and QoS 2 it does not publish.
            _ => return Leave::because(reason::MALFORMED),
        }
    }
}

/// Writes the answers to the gateway.
async fn answers<Io: AsyncWrite>(pen: &mut Pen<Io>, outbox: &Outbox) -> Leave {
    loop {
        while let Some(reply) = outbox.take() {
            if pen.put(&reply).await.is_err() {
                return Leave::default();
            }
        }
        if pen.flush().await.is_err() {
            return Leave::default();
        }
        outbox.wake.notified().await;
    }
}

/// The next packet, within what the client promised to be heard in.
async fn frame(reader: &mut (impl AsyncRead + Unpin), rights: Rights, keep_alive: Duration) -> Result<Frame, Leave> {
    let read = wire::read(reader, rights);
    let frame = if keep_alive.is_zero() {
        read.await
    } else {
        // MQTT 5, 3.1.2.10: one and a half times.
        timeout(keep_alive * 3 / 2, read).await.map_err(|_| Leave::because(reason::SILENT))?
    };
    frame.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Leave::because(reason::MALFORMED),
        std::io::ErrorKind::FileTooLarge => Leave::because(reason::TOO_LARGE),
        _ => Leave::default(),
    })
}
