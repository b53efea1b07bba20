//! Probes at the admin port: whatever others do there, who asks is answered.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpStream};

use tokio::runtime::Runtime;

use super::{half_heads, stranger};
use crate::parts::gateway::{Gateway, exchange};
use crate::parts::site::wait_until;

/// More than there are places and room to wait for one.
const STRANGERS: u8 = 200;
const PLACES: usize = 64;

/// How many were neither answered nor ended.
fn still_there(strangers: &[TcpStream]) -> usize {
    let is_there = |mut stranger: &TcpStream| {
        let read = stranger.read(&mut [0]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    strangers.iter().filter(|it| is_there(it)).count()
}

fn is_answered(gateway: &Gateway, path: &str) -> bool {
    let probe = TcpStream::connect(gateway.admin).unwrap();
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    exchange(probe, request.as_bytes()).is_some_and(|answer| answer.status == 200)
}

#[test]
fn half_heads_however_many_keep_no_probe_waiting() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let runtime = Runtime::new().unwrap();
    // From where probes come, and from as many addresses.
    let from_one = |_| Ipv4Addr::LOCALHOST;
    let addresses: [fn(u8) -> Ipv4Addr; 2] = [from_one, stranger];

    for address in addresses {
        wait_until("probes are answered while heads may still come", || {
            let from = (1..=STRANGERS).map(address);
            let strangers = runtime.block_on(half_heads(from, gateway.admin));
            wait_until("none waits for a place", || {
                still_there(&strangers) <= PLACES
            });

            let are_answered = ["/livez", "/readyz"].map(|path| is_answered(&gateway, path));
            // Answered late, when their time is over, probes would find most of them gone.
            are_answered == [true; 2] && still_there(&strangers) > PLACES / 2
        });
    }
}
