//! Reads the PROXY protocol's header, versions 1 and 2 (haproxy's proxy-protocol.txt): a trusted proxy begins each connection with it.
//!
//! Promises: exactly the header is taken off the stream, never more than [`HEADER_MAX`] bytes. Only the source's address is used;
//! destination, ports and TLVs are skipped. Deliberately has no deadline: its caller has one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The same limit as nginx: the addresses take up to 216 bytes, TLVs (such as the name in a client's certificate) the rest.
const HEADER_MAX: usize = 4096;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 1 is one line of at most this many bytes, its end included.
const LINE_MAX: usize = 107;
/// Two IPv6 addresses and two ports. Longer addresses are skipped.
const ADDRESSES_MAX: usize = 36;
const V1: &[u8; 6] = b"PROXY ";

/// The source of a connection, as a header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Source(IpAddr),
    /// It names none: a health check of the proxy's own, or a source without an IP address.
    Nothing,
}

#[derive(Debug, thiserror::Error)]
pub enum NoHeader {
    /// The other end closed before it sent a byte, as a TCP health check does.
    #[error("nothing was sent")]
    Silent,
    #[error("the connection ended in its PROXY header")]
    Ended(#[from] io::Error),
    #[error("no PROXY header: {0}")]
    Invalid(&'static str),
}

/// Takes the header off `stream`.
pub async fn read(stream: &mut TcpStream) -> Result<Said, NoHeader> {
    let mut start = [0; SIGNATURE.len()];
    if stream.peek(&mut start[..1]).await? == 0 {
        return Err(NoHeader::Silent);
    }

    // The shortest headers are 15 bytes (version 1) and 16 (version 2).
    stream.read_exact(&mut start).await?;
    if start == *SIGNATURE {
        return binary(stream).await;
    }

    if !start.starts_with(V1) {
        return Err(NoHeader::Invalid(
            "neither its signature nor the word PROXY at the beginning",
        ));
    }
    line(stream, &start).await
}

async fn binary(stream: &mut TcpStream) -> Result<Said, NoHeader> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;

    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if SIGNATURE.len() + head.len() + length > HEADER_MAX {
        return Err(NoHeader::Invalid("it is too long"));
    }

    let mut addresses = [0; ADDRESSES_MAX];
    let known = length.min(ADDRESSES_MAX);
    stream.read_exact(&mut addresses[..known]).await?;

    let (mut rest, mut unread) = ([0; 128], length - known);
    while unread > 0 {
        let next = unread.min(rest.len());
        stream.read_exact(&mut rest[..next]).await?;
        unread -= next;
    }

    said_in_binary(head[0], head[1], &addresses[..known])
}

/// Reads the 13th and 14th byte of a version 2 header, and the addresses.
fn said_in_binary(version_and_command: u8, family: u8, addresses: &[u8]) -> Result<Said, NoHeader> {
    match version_and_command {
        0x20 => return Ok(Said::Nothing),
        0x21 => {}
        _ => return Err(NoHeader::Invalid("neither LOCAL nor PROXY of version 2")),
    }

    let short = NoHeader::Invalid("it is too short for its addresses");
    match family {
        0x11 => {
            let source = addresses
                .get(..12)
                .and_then(|addresses| addresses.first_chunk::<4>())
                .ok_or(short)?;
            Ok(Said::Source(Ipv4Addr::from(*source).into()))
        }
        0x21 => {
            let source = addresses
                .get(..36)
                .and_then(|addresses| addresses.first_chunk::<16>())
                .ok_or(short)?;
            Ok(Said::Source(Ipv6Addr::from(*source).to_canonical()))
        }
        // Unspecified, UDP, UNIX: such a source sends no HTTP over TCP/IP.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => Ok(Said::Nothing),
        _ => Err(NoHeader::Invalid("an address family that does not exist")),
    }
}

/// Reads the rest of a version 1 header. Peeked bytes without the end of the line all belong to the header, so they can be taken; the
/// next peek then waits for more.
async fn line(stream: &mut TcpStream, start: &[u8]) -> Result<Said, NoHeader> {
    let mut line = [0; LINE_MAX];
    line[..start.len()].copy_from_slice(start);
    let mut length = start.len();

    while length < LINE_MAX {
        let seen = stream.peek(&mut line[length..]).await?;
        let end = memchr::memchr(b'\n', &line[length..length + seen]);
        let taken = end.map_or(seen, |end| end + 1);

        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }

        stream.read_exact(&mut line[length..length + taken]).await?;
        length += taken;
        if end.is_some() {
            return said_in_line(&line[..length]);
        }
    }
    Err(NoHeader::Invalid("its line does not end"))
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`
fn said_in_line(line: &[u8]) -> Result<Said, NoHeader> {
    let invalid = || {
        NoHeader::Invalid("its line is not PROXY TCP4|TCP6|UNKNOWN, two addresses and two ports")
    };
    let line = line
        .strip_suffix(b"\r\n")
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or_else(invalid)?;

    let mut words = line.split(' ');
    let (_proxy, protocol) = (words.next(), words.next());
    let mut next = || words.next().unwrap_or("");

    let (source, destination) = match protocol {
        Some("TCP4") => (address::<Ipv4Addr>(next()), address::<Ipv4Addr>(next())),
        Some("TCP6") => (address::<Ipv6Addr>(next()), address::<Ipv6Addr>(next())),
        Some("UNKNOWN") => return Ok(Said::Nothing),
        _ => return Err(invalid()),
    };

    let is_whole =
        destination.is_some() && is_port(next()) && is_port(next()) && words.next().is_none();
    source
        .filter(|_| is_whole)
        .map(Said::Source)
        .ok_or_else(invalid)
}

fn address<A: std::str::FromStr + Into<IpAddr>>(text: &str) -> Option<IpAddr> {
    text.parse::<A>()
        .ok()
        .map(|address| address.into().to_canonical())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
#[path = "proxy_protocol/tests.rs"]
mod tests;
