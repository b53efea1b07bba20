//! A broker of a few lines that does to a publication what a test tells it: takes it, refuses it, or hangs up. MQTT 3.1.1 and 5, QoS 1, no subscribers.
//!
//! Deliberately not a broker to be trusted in anything else: for what brokers really do there is mosquitto.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// What it is published.
#[derive(Clone, Debug)]
pub struct Publication {
    pub topic: String,
    /// The whole packet, without its fixed header.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    Take,
    HangUp,
    /// Never answered, though all else is.
    Ignore,
    /// With this reason code; MQTT 5 only.
    Refuse(u8),
}

pub struct StubBroker {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Publication>>>,
}

type React = dyn Fn(&Publication) -> Reaction + Send + Sync;

impl StubBroker {
    /// Its threads end with the process.
    pub fn start(react: impl Fn(&Publication) -> Reaction + Send + Sync + 'static) -> StubBroker {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let broker = StubBroker {
            address: listener.local_addr().unwrap(),
            taken: Arc::default(),
        };
        let (react, taken): (Arc<React>, _) = (Arc::new(react), Arc::clone(&broker.taken));

        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (react, taken) = (Arc::clone(&react), Arc::clone(&taken));
                // Hanging up is the end of the stream.
                std::thread::spawn(move || serve(stream, &*react, &taken));
            }
        });
        broker
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<Publication> {
        self.taken.lock().clone()
    }
}

fn serve(mut stream: TcpStream, react: &React, taken: &Mutex<Vec<Publication>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    loop {
        let (kind, body) = packet(&mut stream)?;
        match kind >> 4 {
            // CONNECT: the name of the protocol, then its version.
            1 => {
                let answer: &[u8] = if *body.get(6)? == 5 {
                    &[0x20, 3, 0, 0, 0]
                } else {
                    &[0x20, 2, 0, 0]
                };
                stream.write_all(answer).ok()?;
            }
            3 => {
                let topic_bytes = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
                let topic = String::from_utf8_lossy(body.get(2..2 + topic_bytes)?).into_owned();
                let [high, low] = *body.get(2 + topic_bytes..4 + topic_bytes)? else {
                    return None;
                };
                let text = String::from_utf8_lossy(&body).into_owned();
                let publication = Publication { topic, text };
                match react(&publication) {
                    Reaction::HangUp => return None,
                    Reaction::Ignore => {}
                    Reaction::Refuse(code) => {
                        stream.write_all(&[0x40, 4, high, low, code, 0]).ok()?
                    }
                    Reaction::Take => {
                        taken.lock().push(publication);
                        stream.write_all(&[0x40, 2, high, low]).ok()?;
                    }
                }
            }
            12 => stream.write_all(&[0xd0, 0]).ok()?,
            14 => return None,
            _ => {}
        }
    }
}

/// The first byte of a packet, and what follows its length.
fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let kind = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        stream.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }

    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((kind, body))
}
