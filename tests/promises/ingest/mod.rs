//! The ports: what a request is answered, and what one source may cost the others.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use tokio::net::TcpSocket;

mod almost_http;
mod descriptors;
mod http;
mod neighbours;
mod probes;
mod proxies;
pub mod tls;
mod tokens;

/// Somebody with many addresses.
fn stranger(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, last)
}

/// Half a head from each of these addresses; reads from what is returned do not block.
async fn half_heads(from: impl Iterator<Item = Ipv4Addr>, to: SocketAddr) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for address in from {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let mut stream = stream.into_std().unwrap();
        // It may have found no place, not even to wait.
        let _ = stream.write_all(b"POST /RealTimeEvent HTTP/1.1\r\nHost: ");
        open.push(stream);
    }
    open
}
