//! A line that carries so many bytes a second towards a broker, and everything back.
//!
//! Deliberately with the kernel's own buffers at both ends: what a gateway hands over stands in them, as it does before a modem.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The address of a line to `broker`; each connection has its own. Its threads end with the process.
pub fn to(broker: SocketAddr, bytes_per_second: u64) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(broker) else {
                continue;
            };
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || carry(client, server, Some(bytes_per_second)));
            std::thread::spawn(move || carry(back_from, back_to, None));
        }
    });
    address
}

fn carry(mut from: TcpStream, mut to: TcpStream, bytes_per_second: Option<u64>) {
    let mut buffer = [0; 1_000];
    let mut free_at = Instant::now();
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if let Some(rate) = bytes_per_second {
            free_at =
                free_at.max(Instant::now()) + Duration::from_secs_f64(count as f64 / rate as f64);
            std::thread::sleep(free_at.saturating_duration_since(Instant::now()));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }

    // The other direction ends with this one.
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
