//! How much `normalize` costs beside the least that anyone must do with such a body: check the UTF-8, parse, decode, hash.
//!
//! Prints both times and their ratio for an event of 200 KB with two pictures; design.md's bound of 1.1 holds for the whole way
//! to the durable record, of which this is the greater part. The two take turns, and the fastest of many rounds of each counts,
//! so that a busy machine disturbs both alike.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use boxbridge_config::{Config, Layers};
use boxbridge_event::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

#[path = "gateway/body.rs"]
#[allow(dead_code, reason = "nothing is sent")]
mod body;
#[path = "gateway/reading.rs"]
mod reading;

const ROUNDS: usize = 400;
const BODY_BYTES: usize = 200_000;
const VISITOR: u8 = 2;
const RECEIVED: Timestamp = Timestamp(1_795_341_600_123);

fn main() {
    let body = body();
    let config = Config::load(&Layers::default()).expect("defaults are valid");
    let (mut ours, mut plain) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain = plain.min(time(|| drop(black_box(plain_loop(&body)))));
        ours = ours.min(time(|| {
            drop(black_box(reading::read(&body, &config, RECEIVED)));
        }));
    }

    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    println!(
        "{} bytes: normalize {ours:?}, plain loop {plain:?}, ratio {ratio:.3}",
        body.len()
    );
}

fn body() -> Bytes {
    let event = body::Event {
        number: 7,
        time_ms: RECEIVED.0 as u128 - 100,
    };
    Bytes::from(body::Body::new(BODY_BYTES, 1, VISITOR).bytes(&event))
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, as any reader would")]
struct Plain<'a> {
    identity_id: &'a str,
    identity_name: &'a str,
    group_name: &'a str,
    timestamp: i64,
    score: f64,
    #[serde(borrow)]
    reg_pic: &'a RawValue,
    #[serde(borrow)]
    ext_data: PlainInner<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, as any reader would")]
struct PlainInner<'a> {
    device_ip: &'a str,
    device_type: &'a str,
    person_type: i64,
    #[serde(borrow)]
    spot_pic: &'a RawValue,
}

fn plain_loop(body: &[u8]) -> Vec<(Vec<u8>, [u8; 32])> {
    let text = simdutf8::basic::from_utf8(body).expect("it is UTF-8");
    let event: Plain<'_> = serde_json::from_str(text).expect("it is an event");
    let pictures = [event.reg_pic, event.ext_data.spot_pic];
    let decoded = pictures.map(|picture| {
        let bytes = base64_simd::STANDARD
            .decode_to_vec(picture.get().trim_matches('"'))
            .expect("it is base64");
        let hash = Sha256::digest(&bytes).into();
        (bytes, hash)
    });
    decoded.into()
}
