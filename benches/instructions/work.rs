//! The stages' work on one fixed event, so many times.

use std::hint::black_box;
use std::time::Duration;

use boxbridge::app::destinations::picture_store;
use boxbridge::normalize::Normalized;
use boxbridge::queue::{Entry, Queue, Settings};
use boxbridge::route::{PicturesNow, RedactKey, Router, Sending};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Event, EventId, Lane, PictureVerdict, Sequence, Timestamp};
use bytes::Bytes;

use crate::body::{self, Body};
use crate::reading;

const RECEIVED: Timestamp = Timestamp(1_795_341_600_123);
const BODY_BYTES: usize = 1_000;
const VISITOR: u8 = 2;

/// Its name, and how it is done for so many events.
pub type Work = (&'static str, fn(u64));

pub const ALL: [Work; 3] = [
    ("normalize", normalize),
    ("append", append),
    ("route", route),
];

/// Bytes → event and pictures.
fn normalize(events: u64) {
    let config = config();
    let body = body();
    for _ in 0..events {
        black_box(reading::read(black_box(&body), &config, RECEIVED));
    }
}

/// Event and pictures → durable record, one after the other: each waits for its own sync.
fn append(events: u64) {
    let directory = tempfile::tempdir().unwrap();
    let normalized = normalized();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let queue = Queue::open(Settings::new(directory.path(), 256 << 20), &["mqtt"]).unwrap();
        for number in 0..events {
            queue.append(entry(&normalized, number)).await.unwrap();
        }
        queue.shutdown().await;
    });
}

/// Record → the messages for both buses, with their payloads.
fn route(events: u64) {
    let router = router();
    let event = normalized().event;
    for number in 0..events {
        let sending = Sending {
            sequence: Sequence(number),
            epoch: None,
            lane: Lane::Normal,
            now: RECEIVED,
            age: Duration::ZERO,
            replay: None,
            pictures: PicturesNow::Settled(PictureVerdict::default()),
            links: &[],
            inline: &[],
        };
        black_box(router.mqtt(black_box(&event), &sending));
        black_box(router.kafka(black_box(&event), &sending));
    }
}

fn body() -> Bytes {
    let event = body::Event {
        number: 7,
        time_ms: RECEIVED.0 as u128 - 100,
    };
    Bytes::from(Body::new(BODY_BYTES, 1, VISITOR).bytes(&event))
}

fn normalized() -> Normalized {
    reading::read(&body(), &config(), RECEIVED)
}

fn entry(normalized: &Normalized, number: u64) -> Entry {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let event = Event {
        id: EventId(id),
        ..normalized.event.clone()
    };
    Entry {
        event,
        pictures: normalized.pictures.clone(),
        lane: Lane::Normal,
        live_revision: None,
        pass: None,
    }
}

fn router() -> Router {
    let config = config();
    let locations = picture_store::configured(&config);
    Router::new(
        &config.routes,
        locations,
        "b81f",
        boxbridge::normalize::table,
        RedactKey::new(b"not used"),
    )
}

fn config() -> Config {
    Config::load(&Layers::default()).unwrap()
}
