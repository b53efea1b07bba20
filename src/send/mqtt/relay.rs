//! A connection that is there already → the client library, which insists on connecting by itself and by name.
//!
//! rumqttc tries a name's addresses one after the other, each for as long as the kernel likes, and takes no connection from outside; but it can go by an
//! HTTP proxy. So for one connection we are that proxy, on the loopback: whatever name it asks for, it gets the connection that won the race, and does
//! TLS and WebSocket over it with the name that the operator wrote, verified and sent as SNI and `Host`. Promises: bytes pass as they are; only our own
//! library gets in, by a word made for this connection; it ends with its connection. It costs a copy per byte, so it is used only where a name has
//! several addresses and matters on the wire. It can go once rumqttc takes a connector (its pull requests 1032 and 1059).

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rumqttc::{Proxy, ProxyAuth, ProxyType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// Room on the way from the library to us: bytes that lie here are neither sent nor known to be stuck.
const ROOM: u32 = 64 * 1024;
/// Our library asks at once; a client that does not is somebody else.
const ASKS_WITHIN: Duration = Duration::from_secs(1);
/// Of the request; the library's has some 200 bytes and a name.
const REQUEST_MAX: usize = 2 * 1024;
const USER: &str = "boxbridge";

pub(super) struct Relay {
    port: u16,
    word: String,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    /// Waits for the library, in a task of its own.
    pub(super) fn start(connection: TcpStream) -> std::io::Result<Relay> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(ROOM)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(8)?;
        let port = listener.local_addr()?.port();
        connection.set_nodelay(true)?;

        let word = uuid::Uuid::new_v4().simple().to_string();
        let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{word}")));
        let task = tokio::spawn(async move {
            // Either side may end it, and both learn it.
            drop(pass(listener, connection, &expected).await);
        });
        Ok(Relay {
            port,
            word,
            _task: AbortOnDropHandle::new(task),
        })
    }

    pub(super) fn proxy(&self) -> Proxy {
        Proxy {
            ty: ProxyType::Http,
            auth: ProxyAuth::Basic {
                username: USER.to_owned(),
                password: self.word.clone(),
            },
            addr: Ipv4Addr::LOCALHOST.to_string(),
            port: self.port,
        }
    }
}

async fn pass(
    listener: TcpListener,
    mut connection: TcpStream,
    expected: &str,
) -> std::io::Result<()> {
    loop {
        let (mut ours, _) = listener.accept().await?;
        let asked = tokio::time::timeout(ASKS_WITHIN, request(&mut ours)).await;
        let is_ours =
            asked.is_ok_and(|request| request.is_ok_and(|request| request.contains(expected)));
        if !is_ours {
            continue;
        }

        drop(listener);
        ours.set_nodelay(true)?;
        ours.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        tokio::io::copy_bidirectional(&mut ours, &mut connection).await?;
        return Ok(());
    }
}

/// Reads to the empty line and no further: the bytes behind it are to be passed on.
async fn request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < REQUEST_MAX {
        bytes.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_client_with_the_word_gets_the_connection() {
        let broker = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let relay = Relay::start(
            TcpStream::connect(broker.local_addr().unwrap())
                .await
                .unwrap(),
        )
        .unwrap();
        let (mut accepted, _) = broker.accept().await.unwrap();
        let at = (Ipv4Addr::LOCALHOST, relay.port);

        let mut stranger = TcpStream::connect(at).await.unwrap();
        stranger
            .write_all(b"CONNECT broker:1883 HTTP/1.1\r\nProxy-Authorization: Basic Ym94\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(
            stranger.read(&mut [0; 16]).await.unwrap_or(0),
            0,
            "shut out"
        );

        let mut library = TcpStream::connect(at).await.unwrap();
        let word = STANDARD.encode(format!("{USER}:{}", relay.word));
        let request = format!(
            "CONNECT broker:1883 HTTP/1.1\r\nProxy-Authorization: Basic {word}\r\n\r\nhello"
        );
        library.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = [0; 5];
        accepted.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hello");
        drop(accepted);
        let mut rest = String::new();
        library.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "HTTP/1.1 200 OK\r\n\r\n", "and it learns the end");
        assert!(TcpStream::connect(at).await.is_err(), "nobody else gets in");
    }
}
