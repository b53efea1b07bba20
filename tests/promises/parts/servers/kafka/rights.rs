//! Gives a user a right while the broker runs. rdkafka has no call for it, so the request is written here, as Kafka's protocol has it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::parts::child::PATIENCE;

/// CreateAcls, version 1.
const REQUEST: [u8; 4] = [0, 30, 0, 1];
const TOPIC: u8 = 2;
const LITERAL: u8 = 3;
const ALL: u8 = 2;
const ALLOW: u8 = 3;

/// Everything on this topic, from anywhere.
pub fn allow(broker: SocketAddr, user: &str, topic: &str) {
    let mut request = REQUEST.to_vec();
    request.extend([0; 4]);
    put(&mut request, "tests");
    request.extend([0, 0, 0, 1, TOPIC]);
    put(&mut request, topic);
    request.push(LITERAL);
    put(&mut request, &format!("User:{user}"));
    put(&mut request, "*");
    request.extend([ALL, ALLOW]);

    let mut stream = TcpStream::connect_timeout(&broker, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u32::try_from(request.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, &*request].concat()).unwrap();

    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    // Behind the number of the request, the throttling and the count of results.
    assert_eq!(answer[12..14], [0, 0], "an error of Kafka: {answer:?}");
}

fn put(request: &mut Vec<u8>, text: &str) {
    request.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    request.extend(text.as_bytes());
}
