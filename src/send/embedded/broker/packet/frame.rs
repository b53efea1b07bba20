//! Bytes → packets that came in whole.
//!
//! Promises: of a client's publication only the packet id is held in memory, whatever its size; any other packet of a client is at most
//! [`CLIENT_PACKET_MAX`]. Deliberately decodes nothing but lengths.

use std::io;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Role;

/// CONNECT and SUBSCRIBE need less, and hundreds of clients may send one at a time.
pub(in super::super) const CLIENT_PACKET_MAX: u32 = 32 << 10;
/// The gateway's own: an event with four pictures inline.
pub(in super::super) const PACKET_MAX: u32 = 16 << 20;
/// The type of a packet, in the upper half of its first byte.
pub(in super::super) const CONNECT: u8 = 1;
pub(in super::super) const PUBLISH: u8 = 3;

/// A packet as it came.
pub(in super::super) enum Frame {
    Whole(Packet),
    /// A client's publication, which goes nowhere.
    Publication {
        qos: u8,
        packet_id: u16,
    },
}

/// From its first byte, with the position where its body begins.
pub(in super::super) struct Packet {
    pub bytes: BytesMut,
    pub body: usize,
}

impl Packet {
    pub fn first(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }
}

/// Reads the next packet. Not cancel-safe.
pub(in super::super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    role: Role,
) -> io::Result<Frame> {
    let mut bytes = BytesMut::with_capacity(64);
    let first = from.read_u8().await?;
    bytes.put_u8(first);
    let length = read_length(from, &mut bytes).await?;

    let most = match role {
        Role::Client if first >> 4 == PUBLISH => return skip(from, first >> 1 & 3, length).await,
        Role::Client => CLIENT_PACKET_MAX,
        Role::Gateway => PACKET_MAX,
    };
    if length > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }

    let body = bytes.len();
    bytes.resize(body + usize::try_from(length).unwrap_or_default(), 0);
    from.read_exact(bytes.get_mut(body..).unwrap_or_default())
        .await?;
    Ok(Frame::Whole(Packet { bytes, body }))
}

/// At most four bytes, seven bits each.
async fn read_length(from: &mut (impl AsyncRead + Unpin), bytes: &mut BytesMut) -> io::Result<u32> {
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = from.read_u8().await?;
        bytes.put_u8(byte);
        length |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(malformed())
}

/// Reads a publication past, whatever its size.
async fn skip(from: &mut (impl AsyncRead + Unpin), qos: u8, length: u32) -> io::Result<Frame> {
    let topic = from.read_u16().await?;
    pass(from, topic.into()).await?;
    let packet_id = if qos > 0 { from.read_u16().await? } else { 0 };

    let read = 2 + u32::from(topic) + if qos > 0 { 2 } else { 0 };
    let rest = length
        .checked_sub(read)
        .filter(|_| qos < 3)
        .ok_or_else(malformed)?;
    pass(from, rest).await?;
    Ok(Frame::Publication { qos, packet_id })
}

async fn pass(from: &mut (impl AsyncRead + Unpin), bytes: u32) -> io::Result<()> {
    let passed = tokio::io::copy(&mut from.take(bytes.into()), &mut tokio::io::sink()).await?;
    if passed < u64::from(bytes) {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
