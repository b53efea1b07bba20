//! An MQTT client that does as it is told, legal or not: bytes out, packets in.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Raw {
    pub stream: TcpStream,
    pub version: u8,
}

/// How it says CONNECT.
#[derive(Clone, Copy, Default)]
pub struct Hello<'a> {
    pub id: &'a str,
    pub keeps_session: bool,
    pub will: Option<(&'a str, &'a str)>,
    pub login: Option<(&'a str, &'a str)>,
    pub keep_alive_seconds: u16,
    /// MQTT 5: beside the session's expiry.
    pub properties: &'a [u8],
}

impl<'a> Hello<'a> {
    /// A client of this name, whose session ends with its connection.
    pub fn named(id: &'a str) -> Hello<'a> {
        Hello {
            id,
            ..Hello::default()
        }
    }

    /// The same, but its session is kept for an hour.
    pub fn keeping(id: &'a str) -> Hello<'a> {
        Hello {
            keeps_session: true,
            ..Hello::named(id)
        }
    }
}

/// A connection that has said nothing yet, from this address of the loopback.
pub async fn silent(from: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind((Ipv4Addr::new(127, 0, 0, from), 0).into())
        .unwrap();
    socket.connect(address).await.unwrap()
}

impl Raw {
    /// 4 = MQTT 3.1.1, 5 = MQTT 5. With the body of the CONNACK.
    pub async fn connect(address: SocketAddr, version: u8, hello: Hello<'_>) -> (Raw, Vec<u8>) {
        Raw::connect_from(1, address, version, hello).await
    }

    /// The same, from this address of the loopback.
    pub async fn connect_from(
        from: u8,
        address: SocketAddr,
        version: u8,
        hello: Hello<'_>,
    ) -> (Raw, Vec<u8>) {
        let mut raw = Raw {
            stream: silent(from, address).await,
            version,
        };
        let answer = raw.hello(hello).await;
        (raw, answer)
    }

    /// Says CONNECT. The body of the CONNACK.
    pub async fn hello(&mut self, hello: Hello<'_>) -> Vec<u8> {
        let version = self.version;
        let mut flags = if hello.keeps_session { 0 } else { 2 };
        let mut properties = Vec::new();
        if version >= 5 {
            let expiry: &[u8] = if hello.keeps_session {
                &[0x11, 0, 0, 0x0e, 0x10]
            } else {
                &[]
            };
            properties.push((expiry.len() + hello.properties.len()) as u8);
            properties.extend(expiry);
            properties.extend(hello.properties);
        }

        let mut payload = text(hello.id);
        if let Some((topic, words)) = hello.will {
            flags |= 0x2c; // A will, QoS 1, retained.
            payload.extend(if version < 5 { &[][..] } else { &[0] });
            payload.extend(text(topic));
            payload.extend(text(words));
        }

        if let Some((user, password)) = hello.login {
            flags |= 0xc0;
            payload.extend(text(user));
            payload.extend(text(password));
        }

        let mut body = text("MQTT");
        body.extend([version, flags]);
        body.extend(hello.keep_alive_seconds.to_be_bytes());
        body.extend(properties);
        body.extend(payload);
        self.send(0x10, &body).await;

        let (first, answer) = self.receive().await;
        assert_eq!(first, 0x20, "{answer:?}");
        answer
    }

    pub async fn subscribe(&mut self, filter: &str) -> u8 {
        self.subscribe_all(&[filter.to_owned()]).await[0]
    }

    /// In one packet: the answer to each.
    pub async fn subscribe_all(&mut self, filters: &[String]) -> Vec<u8> {
        let mut body = vec![0, 1];
        body.extend(if self.version < 5 { &[][..] } else { &[0] });
        for filter in filters {
            body.extend(text(filter));
            body.push(1);
        }
        self.send(0x82, &body).await;
        let answer = self.until(0x90).await;
        answer[answer.len() - filters.len()..].to_vec()
    }

    /// With the packet id 7 where the QoS has one.
    pub async fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) {
        let mut body = text(topic);
        body.extend(if qos > 0 { &[0, 7][..] } else { &[] });
        body.extend(if self.version < 5 { &[][..] } else { &[0] });
        body.extend(payload);
        self.send(0x30 | qos << 1 | u8::from(retain), &body).await;
    }

    pub async fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            packet.push((length % 128) as u8 | if length > 127 { 128 } else { 0 });
            length /= 128;
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        self.stream.write_all(&packet).await.unwrap();
    }

    /// The next packet: its first byte and its body.
    pub async fn receive(&mut self) -> (u8, Vec<u8>) {
        tokio::time::timeout(PATIENCE, self.next())
            .await
            .expect("a packet comes")
            .expect("the connection lives")
    }

    /// The body of the next packet of this kind; what comes before is passed over.
    pub async fn until(&mut self, first: u8) -> Vec<u8> {
        loop {
            let (kind, body) = self.receive().await;
            if kind == first {
                return body;
            }
        }
    }

    /// `None` once the other side has closed.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }

        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        Some((first, body))
    }

    /// Waits for the other side to close.
    pub async fn closed(&mut self) {
        let closed = async { while self.next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, closed)
            .await
            .expect("it is closed");
    }
}

fn text(words: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(words.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(words.as_bytes());
    bytes
}
