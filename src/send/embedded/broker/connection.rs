//! One connection: its CONNECT, and then a subscriber or the gateway until either side ends it.
//!
//! Promises: a connection without a CONNECT in time is closed. A wrong password costs who shows it half a second. Where MQTT has words for it, the client is told before the connection is closed: a
//! refusal by CONNACK, an end by DISCONNECT (MQTT 5). Never logs a topic or a payload.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadHalf};
use tokio::time::timeout;

use super::Shared;
use super::admission::Slot;
use super::packet::connect::{Connect, ConnectError};
use super::packet::frame::{self, Frame};
use super::packet::reply::Reply;
use super::packet::{Role, Version, reason};

mod publisher;
mod subscriber;
mod writer;

use writer::{Outbox, Writer};

/// From the connection to its CONNECT.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const GOODBYE_WITHIN: Duration = Duration::from_millis(200);
/// Who guesses passwords waits for each answer, and holds a slot meanwhile: the few slots bound how many are tried.
const GUESS_COSTS: Duration = Duration::from_millis(500);
const BUFFER: usize = 4 << 10;

/// How a connection ended.
#[derive(Debug, Default)]
struct Disconnected {
    /// The client said DISCONNECT, so that its will is void.
    is_orderly: bool,
    /// How long the session is kept, where the client said so in its DISCONNECT.
    expiry: Option<Duration>,
    /// The reason that the client is to be told.
    reason: Option<u8>,
}

impl Disconnected {
    fn because(reason: u8) -> Disconnected {
        Disconnected {
            reason: Some(reason),
            ..Disconnected::default()
        }
    }
}

/// A connection that said CONNECT and was let in.
struct Established<'a, Io> {
    shared: &'a Arc<Shared>,
    slot: &'a Slot,
    from: IpAddr,
    version: Version,
    reader: BufReader<ReadHalf<Io>>,
    writer: &'a mut Writer<Io>,
    outbox: Outbox,
}

/// Serves a connection to its end.
pub(super) async fn serve<Io>(io: Io, from: IpAddr, slot: Slot, shared: Arc<Shared>)
where
    Io: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (read, write) = tokio::io::split(io);
    let mut reader = BufReader::with_capacity(BUFFER, read);
    let mut writer = Writer::new(write);

    let connect = tokio::select! {
        _ = slot.closing.closed() => return,
        connect = timeout(CONNECT_WITHIN, connect(&mut reader)) => connect,
    };
    let connect = connect.unwrap_or(Err(ConnectError::Garbage));
    let admitted = tokio::select! {
        _ = slot.closing.closed() => return,
        admitted = admit(connect, &slot, from, &shared) => admitted,
    };
    let (connect, role) = match admitted {
        Ok(admitted) => admitted,
        Err(ConnectError::Refused(version, reason)) => {
            shared.access.refused(reason, from);
            if reason == reason::BAD_LOGIN {
                // Closed all the same where others need the slot.
                drop(timeout(GUESS_COSTS, slot.closing.closed()).await);
            }
            return refuse(&mut writer, version, reason).await;
        }
        Err(ConnectError::Garbage) => return,
    };

    let version = connect.version;
    let established = Established {
        shared: &shared,
        slot: &slot,
        from,
        version,
        reader,
        writer: &mut writer,
        outbox: Outbox::new(version),
    };
    let reason = match role {
        Role::Client => established.subscriber(connect).await,
        Role::Gateway => established.publisher(connect).await,
    };
    if let Some(reason) = reason {
        shared.access.closed(reason, from);
    }
    say_goodbye(&mut writer, version, reason).await;
}

/// As what the client is let in.
async fn admit(
    connect: Result<Connect, ConnectError>,
    slot: &Slot,
    from: IpAddr,
    shared: &Shared,
) -> Result<(Connect, Role), ConnectError> {
    let connect = connect?;
    let role = shared
        .access
        .check(&connect, slot, from)
        .await
        .map_err(|reason| ConnectError::Refused(connect.version, reason))?;
    Ok((connect, role))
}

async fn say_goodbye<Io: AsyncWrite>(
    writer: &mut Writer<Io>,
    version: Version,
    reason: Option<u8>,
) {
    // A packet that was begun cannot be followed by another.
    if let Some(reason) = reason.filter(|_| !writer.is_mid_packet()) {
        let disconnect = Reply::Disconnect(reason).encode(version);
        drop(timeout(GOODBYE_WITHIN, writer.write(&disconnect)).await);
    }
    drop(timeout(GOODBYE_WITHIN, writer.close()).await);
}

async fn refuse<Io: AsyncWrite>(writer: &mut Writer<Io>, version: Version, reason: u8) {
    drop(writer.write(&Reply::Refused(reason).encode(version)).await);
    drop(timeout(GOODBYE_WITHIN, writer.close()).await);
}

/// The first packet.
async fn connect(reader: &mut (impl AsyncRead + Unpin)) -> Result<Connect, ConnectError> {
    match frame::read(reader, Role::Client).await {
        Ok(Frame::Whole(packet)) => Connect::parse(packet),
        Ok(Frame::Publication { .. }) | Err(_) => Err(ConnectError::Garbage),
    }
}

/// The next packet, within the client's keep alive.
async fn next_frame(
    reader: &mut (impl AsyncRead + Unpin),
    role: Role,
    keep_alive: Duration,
) -> Result<Frame, Disconnected> {
    let read = frame::read(reader, role);
    let frame = if keep_alive.is_zero() {
        read.await
    } else {
        // MQTT 5, 3.1.2.10: one and a half times.
        timeout(keep_alive * 3 / 2, read)
            .await
            .map_err(|_| Disconnected::because(reason::SILENT))?
    };

    frame.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Disconnected::because(reason::MALFORMED),
        std::io::ErrorKind::FileTooLarge => Disconnected::because(reason::TOO_LARGE),
        _ => Disconnected::default(),
    })
}
