//! A client of the gateway's pictures: what a browser sends, and the bytes that come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{PATIENCE, contract};

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(is, _)| is.eq_ignore_ascii_case(name));
        values.next().map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks with these headers, and reads to the end of the connection.
pub fn ask(method: &str, address: SocketAddr, path: &str, head: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !head.iter().any(|(name, _)| *name == "Host") {
        request += &format!("Host: {address}\r\n");
    }
    for (name, value) in head {
        request += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{request}\r\n").unwrap();

    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let answer = Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        body: bytes.split_off(end + 4),
        head,
    };

    let json = serde_json::from_slice(&answer.body).unwrap_or_default();
    contract::check_answer(request.as_bytes(), answer.status, &json);
    answer
}

pub fn get(address: SocketAddr, path: &str, head: &[(&str, &str)]) -> Answer {
    ask("GET", address, path, head)
}

/// Opens a link as a browser does: no more is known than the link.
pub fn open(url: &str) -> Answer {
    let (address, path) = parts_of(url);
    get(address, &path, &[])
}

/// Where a link leads, and what is asked for there.
pub fn parts_of(url: &str) -> (SocketAddr, String) {
    let rest = url
        .strip_prefix("http://")
        .unwrap_or_else(|| panic!("{url}"));
    let (host, path) = rest.split_once('/').unwrap();
    (host.parse().unwrap(), format!("/{path}"))
}
