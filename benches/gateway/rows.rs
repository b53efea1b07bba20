//! The rows of the table: what stands beside what, under which load.

use crate::load::{Connections, Pace};
use crate::server::{Mqtt, Sinks, Store, Subject};

/// A person type that has no lane of its own.
const VISITOR: u8 = 2;
const KB: usize = 1_000;

#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    /// What the reader is told of it.
    pub about: &'static str,
    pub beside: Run,
    pub gateway: Run,
}

#[derive(Clone)]
pub struct Run {
    pub subject: Subject,
    pub load: Load,
}

#[derive(Clone, Copy)]
pub struct Load {
    pub body_bytes: usize,
    pub devices: u64,
    pub person_type: u8,
    pub pace: Pace,
    pub connections: Connections,
}

pub fn all() -> Vec<Row> {
    [durable(), delivered(), scale(), peers()].concat()
}

/// Request → durable record: every destination is away.
fn durable() -> Vec<Row> {
    let saturated = |kb: usize| Load::saturated(kb * KB, 16);
    let close = Load::per_second(580.0).close();
    vec![
        row(
            "durable-1k",
            "1 KB, 16 connections",
            Sinks::AWAY,
            saturated(1),
        ),
        row(
            "durable-50k",
            "50 KB, 16 connections",
            Sinks::AWAY,
            saturated(50),
        ),
        row(
            "durable-200k",
            "200 KB, 16 connections",
            Sinks::AWAY,
            saturated(200),
        ),
        row(
            "durable-500k",
            "500 KB, 16 connections",
            Sinks::AWAY,
            saturated(500),
        ),
        row(
            "durable-8m",
            "8 MB, 16 connections",
            Sinks::AWAY,
            saturated(8_000),
        ),
        row("durable-close", "200 KB, 580/s, close", Sinks::AWAY, close),
    ]
}

/// All the way, of 200 KB each, until the last destination has the last event.
fn delivered() -> Vec<Row> {
    let bucket = Sinks {
        store: Store::Bucket,
        ..Sinks::ALL
    };
    let store = Sinks {
        mqtt: Mqtt::Idle,
        kafka: false,
        ..Sinks::ALL
    };
    let buses = Sinks {
        drops_pictures: true,
        ..Sinks::ALL
    };
    let mqtt = Sinks {
        kafka: false,
        ..buses
    };
    let kafka = Sinks {
        mqtt: Mqtt::Off,
        ..buses
    };
    let saturated = Load::saturated(200 * KB, 16);
    let rate = Load::per_second;
    vec![
        row(
            "all-150",
            "all three, 150/s, close",
            Sinks::ALL,
            rate(150.0).close(),
        ),
        row(
            "all-400",
            "all three, 400/s, close",
            Sinks::ALL,
            rate(400.0).close(),
        ),
        row("all-580", "all three, 580/s", Sinks::ALL, rate(580.0)),
        row(
            "all-saturated",
            "all three, 16 connections",
            Sinks::ALL,
            saturated,
        ),
        row(
            "bucket",
            "all three, versitygw, 150/s, close",
            bucket,
            rate(150.0).close(),
        ),
        row(
            "store",
            "file store alone, 16 connections",
            store,
            saturated,
        ),
        row(
            "mqtt",
            "MQTT alone, pictures dropped, 16 c.",
            mqtt,
            saturated,
        ),
        row(
            "kafka",
            "Kafka alone, pictures dropped, 16 c.",
            kafka,
            saturated,
        ),
        row(
            "buses-400",
            "both buses, pictures dropped, 400/s",
            buses,
            rate(400.0).close(),
        ),
    ]
}

/// What must cost the same however much of it there is. Beside many devices stands the gateway itself, with few.
fn scale() -> Vec<Row> {
    let connections = |count| Load::saturated(50 * KB, count);
    let buses = Sinks {
        drops_pictures: true,
        ..Sinks::ALL
    };
    let few = Load {
        body_bytes: 50 * KB,
        ..Load::per_second(400.0)
    };
    let run = |load| Run {
        subject: Subject::Gateway(buses),
        load,
    };
    let devices = Row {
        name: "devices-10000",
        about: "both buses, 50 KB, 400/s, 10,000 beside 50",
        beside: run(few),
        gateway: run(Load {
            devices: 10_000,
            ..few
        }),
    };
    vec![
        row(
            "connections-1",
            "50 KB, 1 connection",
            Sinks::AWAY,
            connections(1),
        ),
        row(
            "connections-64",
            "50 KB, 64 connections",
            Sinks::AWAY,
            connections(64),
        ),
        row(
            "connections-512",
            "50 KB, 512 connections",
            Sinks::AWAY,
            connections(512),
        ),
        devices,
    ]
}

/// The same work done by an afternoon's FastAPI.
fn peers() -> Vec<Row> {
    let beside_peer = |name, about, load| Row {
        beside: Run {
            subject: Subject::Peer,
            load,
        },
        ..row(name, about, Sinks::ALL, load)
    };
    vec![
        beside_peer(
            "peer-150",
            "all three beside FastAPI, 150/s, close",
            Load::per_second(150.0).close(),
        ),
        beside_peer(
            "peer-saturated",
            "all three beside FastAPI, 16 c.",
            Load::saturated(200 * KB, 16),
        ),
    ]
}

/// A gateway beside the plain loop.
fn row(name: &'static str, about: &'static str, sinks: Sinks, load: Load) -> Row {
    Row {
        name,
        about,
        beside: Run {
            subject: Subject::PlainLoop,
            load,
        },
        gateway: Run {
            subject: Subject::Gateway(sinks),
            load,
        },
    }
}

impl Load {
    fn saturated(body_bytes: usize, connections: usize) -> Load {
        Load {
            body_bytes,
            devices: 50,
            person_type: VISITOR,
            pace: Pace::Saturated(connections),
            connections: Connections::Kept,
        }
    }

    /// Of 200 KB each.
    fn per_second(rate: f64) -> Load {
        Load {
            pace: Pace::PerSecond(rate),
            ..Load::saturated(200 * KB, 0)
        }
    }

    fn close(self) -> Load {
        Load {
            connections: Connections::Close,
            ..self
        }
    }
}
