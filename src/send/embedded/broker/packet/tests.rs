//! Bytes that come in, however broken they are.

use bytes::BytesMut;

use super::Version;
use super::connect::Connect;
use super::frame::Packet;
use super::publication::{HeldBytes, Publication};
use super::request::Request;

const SOUND: [&[u8]; 9] = [
    b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01c",
    b"\x10\x1f\0\x04MQTT\x04\xee\0\x3c\0\x01c\0\x01t\0\x01w\0\x04user\0\x04pass",
    b"\x10\x13\0\x04MQTT\x05\x02\0\0\x05\x11\0\0\0\x09\0\x01c",
    b"\x10\x1b\0\x04MQTT\x05\xee\0\0\0\0\x01c\0\0\x01t\0\x01w\0\x01u\0\x01p",
    b"\x82\x0d\0\x01\x02\x0b\x07\0\x05ev/+1\x01",
    b"\x82\x08\0\x01\0\x03a/#\x01",
    b"\xa2\x08\0\x01\0\0\x03a/#",
    b"\xe0\x07\x04\x05\x11\0\0\0\x01",
    b"\x40\x04\0\x01\x10\0",
];

#[test]
fn whatever_bytes_come_the_reader_says_so_and_goes_on() {
    let mut seed = 7_u64;
    let mut random = move |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let (mut sound, mut read) = (0, 0);
    for round in 0..100_000 {
        let mut bytes = SOUND[random(SOUND.len())].to_vec();
        // Every tenth as it is.
        for _ in 0..round % 10 {
            let position = random(bytes.len());
            match random(4) {
                0 => bytes[position] = random(256) as u8,
                1 => bytes[position] ^= 1 << random(8),
                2 => drop(bytes.remove(position)),
                _ => bytes.insert(position, random(256) as u8),
            }
            if bytes.len() < 2 {
                break;
            }
        }
        sound += usize::from(round % 10 == 0);

        let packet = || BytesMut::from(&bytes[..]);
        let connect = Connect::parse(Packet {
            bytes: packet(),
            body: 2,
        });
        let connect = connect.is_ok();
        let request =
            [Version::V3, Version::V5].map(|version| Request::parse(packet(), version).is_ok());
        read += usize::from(round % 10 == 0 && (connect || request.contains(&true)));
        drop(Publication::parse(
            bytes[0],
            packet().freeze().slice(2.min(bytes.len())..),
            &HeldBytes::default(),
        ));
    }
    assert_eq!(read, sound, "what is sound is read");
}
