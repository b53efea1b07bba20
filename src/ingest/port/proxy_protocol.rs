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
    if stream.peek(&mut [0]).await? == 0 {
        return Err(NoHeader::Silent);
    }

    // The shortest headers are 15 bytes (version 1) and 16 (version 2).
    let mut start = [0; SIGNATURE.len()];
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
    let [version_and_command, family, high, low] = head;

    let length = usize::from(u16::from_be_bytes([high, low]));
    if SIGNATURE.len() + head.len() + length > HEADER_MAX {
        return Err(NoHeader::Invalid("it is too long"));
    }

    let mut header = vec![0; length];
    stream.read_exact(&mut header).await?;
    said_in_binary(version_and_command, family, &header)
}

/// Reads the 13th and 14th byte of a version 2 header, and the addresses.
fn said_in_binary(version_and_command: u8, family: u8, addresses: &[u8]) -> Result<Said, NoHeader> {
    match version_and_command {
        0x20 => return Ok(Said::Nothing),
        0x21 => {}
        _ => return Err(NoHeader::Invalid("neither LOCAL nor PROXY of version 2")),
    }

    let address = match family {
        0x11 => ipv4(addresses),
        0x21 => ipv6(addresses),
        // Unspecified, UDP, UNIX: such a source sends no HTTP over TCP/IP.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => return Ok(Said::Nothing),
        _ => return Err(NoHeader::Invalid("an address family that does not exist")),
    };
    let short = NoHeader::Invalid("it is too short for its addresses");
    address.map(Said::Source).ok_or(short)
}

/// The source of two IPv4 addresses and two ports.
fn ipv4(addresses: &[u8]) -> Option<IpAddr> {
    let (source, _) = addresses.first_chunk::<12>()?.split_first_chunk::<4>()?;
    Some(Ipv4Addr::from(*source).into())
}

/// The source of two IPv6 addresses and two ports.
fn ipv6(addresses: &[u8]) -> Option<IpAddr> {
    let (source, _) = addresses.first_chunk::<36>()?.split_first_chunk::<16>()?;
    Some(Ipv6Addr::from(*source).to_canonical())
}

/// Reads the rest of a version 1 header. Peeked bytes without the end of the line all belong to the header, so they can be taken; the
/// next peek then waits for more.
async fn line(stream: &mut TcpStream, start: &[u8]) -> Result<Said, NoHeader> {
    let mut line = start.to_vec();

    while line.len() < LINE_MAX {
        let mut next = [0; LINE_MAX];
        let next = next.get_mut(line.len()..).unwrap_or_default();
        let seen = stream.peek(next).await?;
        let end = memchr::memchr(b'\n', next.get(..seen).unwrap_or_default());
        let taken = end.map_or(seen, |end| end + 1);

        if taken == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }

        let next = next.get_mut(..taken).unwrap_or_default();
        stream.read_exact(next).await?;
        line.extend_from_slice(next);
        if end.is_some() {
            return said_in_line(&line);
        }
    }
    Err(NoHeader::Invalid("its line does not end"))
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`
fn said_in_line(line: &[u8]) -> Result<Said, NoHeader> {
    let invalid =
        NoHeader::Invalid("its line is not PROXY TCP4|TCP6|UNKNOWN, two addresses and two ports");
    let line = line.strip_suffix(b"\r\n");
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Err(invalid);
    };

    let mut words = line.split(' ').skip(1);
    let protocol = words.next();
    let mut next = || words.next().unwrap_or("");
    let (source, destination) = match protocol {
        Some("TCP4") => (address::<Ipv4Addr>(next()), address::<Ipv4Addr>(next())),
        Some("TCP6") => (address::<Ipv6Addr>(next()), address::<Ipv6Addr>(next())),
        Some("UNKNOWN") => return Ok(Said::Nothing),
        _ => return Err(invalid),
    };

    let has_ports = is_port(next()) && is_port(next()) && words.next().is_none();
    let source = source.filter(|_| destination.is_some() && has_ports);
    source.map(Said::Source).ok_or(invalid)
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
