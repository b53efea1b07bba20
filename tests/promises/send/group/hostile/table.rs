//! The table: what is sent, how, and what it comes to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::parts::kafka::produce::{Odd, Transaction};

pub const LIVE: &str = "boxbridge/default/events/vip/";
const MIB: usize = 1 << 20;

/// How it gets there.
pub enum Way {
    Batch(&'static str, Vec<Odd>),
    Within(Transaction, Odd),
    /// A header of this name.
    Raw(Vec<u8>, Odd),
}

pub use Way::{Batch, Raw, Within};

/// What it comes to.
pub enum Becomes {
    /// Counted as foreign in each lane, so often.
    Foreign(usize),
    /// An event on this topic.
    Published(String),
}

pub use Becomes::{Foreign, Published};

pub struct Row {
    pub what: &'static str,
    pub way: Way,
    pub becomes: Becomes,
}

fn row(what: &'static str, way: Way, becomes: Becomes) -> Row {
    Row { what, way, becomes }
}

/// A real event of ours as it stands on Kafka, from which others are made.
pub struct Known {
    pub event: Value,
    pub headers: BTreeMap<String, String>,
    pub made: u32,
}

impl Known {
    /// Another event, with this changed.
    fn forged(&mut self, change: impl FnOnce(&mut Value)) -> Odd {
        self.made += 1;
        let mut event = self.event.clone();
        event["revision"] = json!(format!("{:08x}", self.made));
        change(&mut event);
        let headers = self.headers.iter();
        Odd {
            key: Some(b"default/gate-0".to_vec()),
            value: Some(event.to_string().into_bytes()),
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            timestamp: None,
        }
    }

    fn of_device(&mut self, id: &str) -> Odd {
        self.forged(|event| event["device"]["id"] = json!(id))
    }

    /// With this as one of its headers, behind those that it has.
    fn with_headers(&mut self, headers: Vec<(String, Vec<u8>)>) -> Odd {
        let mut odd = self.of_device("headers");
        odd.headers.extend(headers);
        odd
    }

    /// With another value of a header that it has.
    fn saying(&mut self, name: &str, value: &[u8]) -> Odd {
        let mut odd = self.of_device("saying");
        odd.headers.retain(|(other, _)| other != name);
        odd.headers.push((name.to_owned(), value.to_vec()));
        odd
    }

    fn dated(&mut self, device: &str, timestamp: i64) -> Odd {
        Odd {
            timestamp: Some(timestamp),
            ..self.of_device(device)
        }
    }
}

pub fn of_value(value: impl Into<Vec<u8>>) -> Odd {
    Odd {
        value: Some(value.into()),
        ..Odd::default()
    }
}

fn one(odd: Odd) -> Way {
    Batch("none", vec![odd])
}

fn live(device: &str) -> Becomes {
    Published(format!("{LIVE}{device}"))
}

fn late(device: &str) -> Becomes {
    Published(format!("boxbridge/default/late/vip/{device}"))
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Nested so deep, in a field that is anybody's.
fn nested(known: &mut Known, depth: usize) -> Odd {
    let odd = known.forged(|event| event["extra"] = json!({"x": "HERE"}));
    let text = String::from_utf8(odd.value.clone().unwrap()).unwrap();
    let bomb = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    Odd {
        value: Some(text.replace("\"HERE\"", &bomb).into_bytes()),
        ..odd
    }
}

fn no_events(known: &mut Known) -> Vec<Row> {
    let digits = "9".repeat(900_000);
    let number = format!("{{\"schema\":\"boxbridge.match.v1\",\"id\":{digits}}}");
    let score = known.forged(|event| event["match"]["score"] = json!("HERE"));
    let score = String::from_utf8(score.value.unwrap()).unwrap();
    let score = score.replace("\"HERE\"", "1e999999999");
    let depth = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));

    vec![
        row("no value", one(Odd::default()), Foreign(1)),
        row("empty", one(of_value("")), Foreign(1)),
        row("noise", one(of_value(noise(1_000_000))), Foreign(1)),
        row("depth", one(of_value(depth)), Foreign(1)),
        row("digits", one(of_value(number)), Foreign(1)),
        row(
            "a score that no double holds",
            one(of_value(score)),
            Foreign(1),
        ),
        row("depth in an event", one(nested(known, 200_000)), Foreign(1)),
    ]
}

fn forged(known: &mut Known) -> Vec<Row> {
    let odd = |what, odd: Odd, becomes| row(what, one(odd), becomes);
    let far = "9999-12-30T00:00:00.000Z";
    let set = |known: &mut Known, pointer: &str, value: Value| {
        known.forged(|event| *event.pointer_mut(pointer).unwrap() = value)
    };
    let foreign = [
        ("an id that is none", set(known, "/id", json!("1"))),
        (
            "a revision that is none",
            set(known, "/revision", json!("x".repeat(MIB / 2))),
        ),
        (
            "a type that is none",
            set(known, "/person_type", json!("president")),
        ),
        (
            "a type of another topic",
            set(known, "/person_type", json!("employee")),
        ),
        (
            "a site that is none",
            set(known, "/origin/site", json!("../../#")),
        ),
        ("to act on for ever", set(known, "/act_before", json!(far))),
        ("half an event", set(known, "/identity", json!(7))),
        (
            "a device type of 70 KB",
            set(known, "/device/type", json!("x".repeat(70_000))),
        ),
    ];
    let mut rows: Vec<_> = foreign
        .into_iter()
        .map(|(what, forged)| odd(what, forged, Foreign(1)))
        .collect();

    let wild = known.of_device("#/+/../\0$");
    rows.push(odd(
        "a device of wildcards",
        wild,
        live("%23%2F%2B%2F..%2F%00$"),
    ));
    let long: Vec<_> = (0..13)
        .map(|_| known.of_device(&"x".repeat(70_000)))
        .collect();
    rows.push(row("devices of 70 KB", Batch("none", long), Foreign(13)));
    rows
}

fn headers(known: &mut Known) -> Vec<Row> {
    let many = |name: fn(usize) -> String| (0..30_000).map(move |it| (name(it), vec![0xff, 0xfe]));
    let header = |name: &str, value: &[u8]| vec![(name.to_owned(), value.to_vec())];
    let event = known.of_device("raw");

    vec![
        row(
            "headers by thousands",
            one(known.with_headers(many(|it| format!("x{it}")).collect())),
            live("headers"),
        ),
        row(
            "one header a thousand times",
            one(known.with_headers(many(|_| "ce_id".to_owned()).collect())),
            live("headers"),
        ),
        row(
            "a header that MQTT cannot have",
            one(known.with_headers(header("ce_replay", b"a\0b"))),
            live("headers"),
        ),
        row(
            "a header of 900 KB",
            one(known.with_headers(header("ce_replay", &[b'x'; 900_000]))),
            live("headers"),
        ),
        row(
            "a name that is not text",
            Raw(vec![b'c', b'e', 0xff, 0xfe], event),
            live("raw"),
        ),
        row(
            "another media type",
            one(known.saying("content-type", b"text/html")),
            Foreign(1),
        ),
        row(
            "another type of event",
            one(known.saying("ce_type", b"com.example.other")),
            Foreign(1),
        ),
        row(
            "another person type",
            one(known.saying("ce_persontype", b"employee")),
            Foreign(1),
        ),
        row(
            "another site",
            one(known.saying("ce_site", b"elsewhere")),
            Foreign(1),
        ),
        row(
            "a key of 900 KB",
            one(Odd {
                key: Some(vec![b'k'; 900_000]),
                ..known.of_device("key")
            }),
            Foreign(1),
        ),
        row(
            "a key that is not text",
            one(Odd {
                key: Some(vec![0xff; 10]),
                ..known.of_device("key")
            }),
            live("key"),
        ),
    ]
}

fn batches(known: &mut Known) -> Vec<Row> {
    let bomb = |codec| Batch(codec, vec![of_value(vec![0; 100 * MIB])]);
    let tiny = vec![of_value("x"); 50_000];
    let in_year_9999 = 253_402_207_199_000;
    vec![
        row("100 MiB by gzip", bomb("gzip"), Foreign(1)),
        row(
            "10 MiB by snappy",
            Batch("snappy", vec![of_value(vec![0; 10 * MIB])]),
            Foreign(1),
        ),
        row("100 MiB by lz4", bomb("lz4"), Foreign(1)),
        row(
            "50,000 records by gzip",
            Batch("gzip", tiny),
            Foreign(50_000),
        ),
        row(
            "an event by zstd",
            Batch("zstd", vec![known.of_device("zstd")]),
            live("zstd"),
        ),
        row(
            "10 MiB by zstd",
            Batch("zstd", vec![of_value(vec![0; 10 * MIB])]),
            Foreign(1),
        ),
        row(
            "committed",
            Within(Transaction::Committed, of_value("x")),
            Foreign(1),
        ),
        row(
            "aborted",
            Within(Transaction::Aborted, of_value("x")),
            Foreign(1),
        ),
        row(
            "left in a transaction",
            Within(Transaction::Left, of_value("x")),
            Foreign(1),
        ),
        row("of 1970", one(known.dated("old", 1)), late("old")),
        row(
            "of the year 9999",
            one(known.dated("future", in_year_9999)),
            late("future"),
        ),
    ]
}

impl Known {
    pub fn rows(&mut self) -> Vec<Row> {
        let parts = [no_events(self), forged(self), headers(self), batches(self)];
        parts.into_iter().flatten().collect()
    }
}
