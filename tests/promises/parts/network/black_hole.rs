//! An address that takes no connection and refuses none, as behind a firewall that drops: its backlog is full, so the kernel drops what comes more.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub struct BlackHole {
    pub address: SocketAddr,
    _listener: TcpListener,
    _kept: Vec<TcpStream>,
}

impl BlackHole {
    pub async fn dig(ip: IpAddr) -> BlackHole {
        BlackHole::dig_at((ip, 0).into()).await
    }

    pub async fn dig_at(address: SocketAddr) -> BlackHole {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }
        .expect("a socket");
        socket.bind(address).expect("a free port");

        let listener = socket.listen(1).expect("it listens");
        let address = listener.local_addr().expect("its address");
        let mut kept = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(250), TcpStream::connect(address)).await
        {
            kept.push(stream);
            assert!(kept.len() < 100, "its backlog is never full");
        }
        BlackHole {
            address,
            _listener: listener,
            _kept: kept,
        }
    }
}
