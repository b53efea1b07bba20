//! How much `normalize` costs beside the least that anyone must do with such a body: check the UTF-8, parse, decode, hash.
//!
//! Prints both times and their ratio for an event of 200 KB with two pictures; design.md's bound of 1.1 holds for the whole way
//! to the durable record, of which this is the greater part. The two take turns, and the fastest of many rounds of each counts,
//! so that a busy machine disturbs both alike.

#![allow(clippy::panic, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use boxbridge::normalize::{Batch, Context, Limits, RepairRoom, normalize};
use boxbridge_config::ScoreScale;
use boxbridge_event::{Feed, Source, Timestamp};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

const ROUNDS: usize = 400;
const PICTURE_BYTES: usize = 75_000;

fn main() {
    let body = body();
    let settings = boxbridge_config::Normalize {
        dedupe_window: Duration::ZERO,
        dedupe_max_events: 1,
        score_scale: ScoreScale::Auto,
        picture_max_pixels: 100_000_000,
    };
    let source = Source {
        peer: "192.168.1.19".into(),
        feed: Feed::Realtime,
        site: None,
        box_id: None,
        charset: None,
        received_at: Timestamp(1_795_341_600_123),
    };
    let limits = Limits {
        depth_max: 64,
        events_max: 100,
        pictures_max: 16,
        event_max_bytes: 8 << 20,
    };
    let context = Context {
        source: &source,
        site: "default",
        gateway: "edge-1",
        settings: &settings,
        limits,
        room: RepairRoom(&|_| true),
    };
    let (mut ours, mut plain) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        plain = plain.min(time(|| drop(black_box(plain_loop(&body)))));
        ours = ours.min(time(|| match normalize(&body, &context) {
            Ok(Batch::One(normalized)) => drop(black_box(normalized)),
            _ => panic!("the body is one event"),
        }));
    }
    let ratio = ours.as_secs_f64() / plain.as_secs_f64();
    println!(
        "{} bytes: normalize {ours:?}, plain loop {plain:?}, ratio {ratio:.3}",
        body.len()
    );
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

fn body() -> Bytes {
    let [registered, scene] = [1, 2].map(|seed| base64_simd::STANDARD.encode_to_string(jpeg(seed)));
    let document = serde_json::json!({
        "reg_pic": registered,
        "ext_data": {
            "person_type": 5, "grab_fiqa_info": {}, "device_ip": "192.168.1.243", "box_fiqa_info": {}, "device_type": "0",
            "spot_pic": scene,
        },
        "identity_id": "666666", "score": 0.6231614351272583, "timestamp": 1_566_016_554_020_i64, "group_name": "default_group",
        "identity_name": "小明",
    });
    Bytes::from(document.to_string())
}

/// Bytes with the markers of a JPEG and a scan that does not compress.
fn jpeg(seed: u64) -> Vec<u8> {
    let start: [&[u8]; 3] = [
        b"\xff\xd8",
        b"\xff\xc0\x00\x11\x08\x02\x80\x01\xe0\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00",
        b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00",
    ];
    let mut bytes = start.concat();
    let mut state = seed;
    while bytes.len() < PICTURE_BYTES {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.push((state >> 33) as u8 & 0x7f);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}
