//! The rows of the table: what stands beside what, under which load.

use std::fmt;

use crate::load::door::Door;
use crate::load::{Connections, Pace};
use crate::server::{Sinks, Subject};

/// A person type of the normal lane.
pub const VISITOR: u8 = 2;
/// One of the urgent lane.
pub const BLACKLIST: u8 = 3;

const KB: usize = 1_000;

#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub beside: Run,
    pub gateway: Run,
}

#[derive(Clone)]
pub struct Run {
    pub subject: Subject,
    pub load: Load,
    pub door: Door,
    /// Records that wait in its log before it starts.
    pub waiting: u64,
}

/// A gateway that starts over records that wait, and delivers them.
pub struct Backlog {
    pub name: &'static str,
    pub sinks: Sinks,
    pub records: u64,
    pub body_bytes: usize,
}

#[derive(Clone, Copy)]
pub struct Load {
    pub body_bytes: usize,
    pub devices: u64,
    pub pace: Pace,
    pub connections: Connections,
}

/// A backlog has so many records.
pub fn all(waiting: u64) -> Vec<Row> {
    [durable(), delivered(), scale(waiting), doors(), peers()].concat()
}

/// Request → durable record: every destination is away.
fn durable() -> Vec<Row> {
    let row = |name, load| beside_loop(name, Sinks::AWAY, load);
    vec![
        row("durable-1k", Load::saturated(KB)),
        row("durable-50k", Load::saturated(50 * KB)),
        row("durable-200k", Load::saturated(200 * KB)),
        row("durable-500k", Load::saturated(500 * KB)),
        row("durable-8m", Load::saturated(8_000 * KB)),
        row("durable-close", Load::per_second(580.0).close()),
    ]
}

/// All the way, until the last destination has the last event.
fn delivered() -> Vec<Row> {
    let saturated = Load::saturated(200 * KB);
    let share = Load::paced(Pace::ShareOf(0.8, 16));
    let rate = |per_second| Load::per_second(per_second).close();
    vec![
        beside_loop("all-150", Sinks::ALL, rate(150.0)),
        beside_loop("all-400", Sinks::ALL, rate(400.0)),
        beside_loop("all-580", Sinks::ALL, Load::per_second(580.0)),
        beside_loop("all-share", Sinks::ALL, share),
        beside_loop("all-saturated", Sinks::ALL, saturated),
        beside_loop("bucket-150", Sinks::BUCKET, rate(150.0)),
        beside_loop("store-alone", Sinks::STORE, saturated),
        beside_loop("mqtt-alone", Sinks::MQTT, saturated),
        beside_loop("kafka-alone", Sinks::KAFKA, saturated),
        beside_loop("buses-400", Sinks::BUSES, rate(400.0)),
    ]
}

/// What must cost the same however much of it there is. Beside many devices, and a backlog, stands the gateway itself without them.
fn scale(waiting: u64) -> Vec<Row> {
    let connections = |count| Load {
        pace: Pace::Saturated(count),
        ..Load::saturated(50 * KB)
    };
    let steady = Load {
        body_bytes: 50 * KB,
        ..Load::per_second(400.0)
    };
    let idle = Run::of(Subject::Gateway(Sinks::AWAY), steady);
    let few = Run::of(Subject::Gateway(Sinks::BUSES), steady);

    let mut many = few.clone();
    many.load.devices = 10_000;
    let mut behind = idle.clone();
    behind.waiting = waiting;

    vec![
        beside_loop("connections-1", Sinks::AWAY, connections(1)),
        beside_loop("connections-64", Sinks::AWAY, connections(64)),
        beside_loop("connections-512", Sinks::AWAY, connections(512)),
        Row {
            name: "devices",
            beside: few,
            gateway: many,
        },
        Row {
            name: "waiting",
            beside: idle,
            gateway: behind,
        },
    ]
}

/// Boxes that show a token, or come over TLS with a handshake for each event: beside the gateway itself without either.
fn doors() -> Vec<Row> {
    let idle = Run::of(
        Subject::Gateway(Sinks::AWAY),
        Load::per_second(150.0).close(),
    );
    let row = |name, door| Row {
        name,
        beside: idle.clone(),
        gateway: Run {
            door,
            ..idle.clone()
        },
    };
    vec![row("tokens", Door::Tokens(10_000)), row("tls", Door::Tls)]
}

/// The same work done by an afternoon's FastAPI.
fn peers() -> Vec<Row> {
    let row = |name, load| Row {
        beside: Run::of(Subject::Peer, load),
        ..beside_loop(name, Sinks::ALL, load)
    };
    vec![
        row("peer-150", Load::per_second(150.0).close()),
        row("peer-saturated", Load::saturated(200 * KB)),
    ]
}

pub fn backlogs(waiting: u64) -> Vec<Backlog> {
    vec![
        Backlog {
            name: "drain-mqtt",
            sinks: Sinks::MQTT,
            records: waiting,
            body_bytes: 0,
        },
        Backlog {
            name: "drain-all",
            sinks: Sinks::ALL,
            records: waiting / 250,
            body_bytes: 200 * KB,
        },
    ]
}

/// A gateway beside the plain loop.
fn beside_loop(name: &'static str, sinks: Sinks, load: Load) -> Row {
    Row {
        name,
        beside: Run::of(Subject::PlainLoop, load),
        gateway: Run::of(Subject::Gateway(sinks), load),
    }
}

impl Run {
    fn of(subject: Subject, load: Load) -> Run {
        Run {
            subject,
            load,
            door: Door::Open,
            waiting: 0,
        }
    }
}

impl Load {
    /// Of 200 KB, from 50 devices, on connections that are kept.
    fn paced(pace: Pace) -> Load {
        Load {
            body_bytes: 200 * KB,
            devices: 50,
            pace,
            connections: Connections::Kept,
        }
    }

    fn saturated(body_bytes: usize) -> Load {
        Load {
            body_bytes,
            ..Load::paced(Pace::Saturated(16))
        }
    }

    fn per_second(rate: f64) -> Load {
        Load::paced(Pace::PerSecond(rate))
    }

    fn close(self) -> Load {
        Load {
            connections: Connections::Close,
            ..self
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KB, ", self.body_bytes / KB)?;
        match self.pace {
            Pace::Saturated(connections) => write!(f, "{connections} at once")?,
            Pace::PerSecond(rate) => write!(f, "{rate}/s")?,
            Pace::ShareOf(share, _) => write!(f, "{:.0} % of the most", share * 100.0)?,
        }
        match self.connections {
            Connections::Kept => Ok(()),
            Connections::Close => f.write_str(", close"),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.load)?;
        if self.load.devices > 50 {
            write!(f, ", {} devices", self.load.devices)?;
        }
        if self.waiting > 0 {
            write!(f, ", {} waiting", self.waiting)?;
        }
        write!(f, "{}", self.door)
    }
}
