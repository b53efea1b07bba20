//! A server under test, as a process of its own: how it is started, and what it has used.
//!
//! Promises: its figures are those of its process with all threads, as the kernel counts them; brokers and boxes are not in them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::load::door::Door;
use crate::parts::child::{Child, free_port, installed, listens};
use crate::parts::{Parts, s3};

/// A backlog of a million is gone by then on a slow machine, too.
const DELIVERY: Duration = Duration::from_secs(300);

/// Seldom enough that answering costs the gateway nothing beside its work.
const LOOK_AGAIN: Duration = Duration::from_millis(80);

/// What stands on the boxes' side of the wire.
#[derive(Clone)]
pub enum Subject {
    PlainLoop,
    Gateway(Sinks),
    /// An afternoon's FastAPI, to both brokers, with pictures in files.
    Peer,
}

/// Where a gateway delivers to.
#[derive(Clone, Copy)]
pub struct Sinks {
    pub mqtt: Mqtt,
    pub kafka: bool,
    pub store: Store,
    /// Neither stored nor sent.
    pub drops_pictures: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mqtt {
    Mosquitto,
    /// Connected, and no event has a topic there: a gateway without any bus is refused.
    Idle,
    /// Nobody listens at its address.
    Away,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    File,
    Bucket,
    /// Nobody listens at its address.
    Away,
}

impl Sinks {
    /// Request → durable record, and no further.
    pub const AWAY: Sinks = Sinks {
        mqtt: Mqtt::Away,
        kafka: false,
        store: Store::Away,
        drops_pictures: false,
    };
    pub const ALL: Sinks = Sinks {
        mqtt: Mqtt::Mosquitto,
        kafka: true,
        store: Store::File,
        drops_pictures: false,
    };
    pub const BUCKET: Sinks = Sinks {
        store: Store::Bucket,
        ..Sinks::ALL
    };
    pub const STORE: Sinks = Sinks {
        mqtt: Mqtt::Idle,
        kafka: false,
        ..Sinks::ALL
    };
    /// Both of them, and no pictures, as for the next two.
    pub const BUSES: Sinks = Sinks {
        drops_pictures: true,
        ..Sinks::ALL
    };
    pub const MQTT: Sinks = Sinks {
        kafka: false,
        ..Sinks::BUSES
    };
    pub const KAFKA: Sinks = Sinks {
        mqtt: Mqtt::Off,
        ..Sinks::BUSES
    };

    fn settings(self, parts: &Parts) -> Vec<String> {
        let mqtt = match self.mqtt {
            Mqtt::Mosquitto | Mqtt::Idle => format!("mqtt://{}", parts.mosquitto()),
            Mqtt::Away => "mqtt://127.0.0.1:1".to_owned(),
            Mqtt::Off => String::new(),
        };
        let mut settings = vec![format!("send.mqtt.url={mqtt}")];
        if self.mqtt == Mqtt::Idle {
            settings.extend(
                ["mqtt_topic", "mqtt_late_topic"].map(|key| format!("route.default.{key}=")),
            );
        }
        if self.kafka {
            settings.push(format!("send.kafka.brokers={}", parts.kafka()));
        }
        if self.drops_pictures {
            settings.push("route.default.pictures=drop".to_owned());
        }

        let endpoint = match self.store {
            Store::File => return settings,
            Store::Bucket => parts.bucket(),
            Store::Away => "http://127.0.0.1:1".to_owned(),
        };
        settings.extend([
            format!("send.store.url=s3://{}", s3::BUCKET),
            format!("send.store.endpoint={endpoint}"),
            format!("send.store.access_key_id={}", s3::KEY_ID),
        ]);
        settings
    }

    /// Of the destinations, as a log knows them.
    pub fn names(self) -> Vec<&'static str> {
        let mqtt = (self.mqtt != Mqtt::Off).then_some("mqtt");
        let kafka = self.kafka.then_some("kafka");
        ["store"].into_iter().chain(mqtt).chain(kafka).collect()
    }

    fn is_away(self) -> bool {
        self.mqtt == Mqtt::Away || self.store == Store::Away
    }
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where a gateway says what waits, if it delivers at all.
    admin: Option<u16>,
}

impl Server {
    /// Starts it over `directory`; it listens when this returns, though a gateway may still be opening its log.
    pub fn start(
        subject: &Subject,
        door: Door,
        program: &Path,
        parts: &Parts,
        directory: &Path,
    ) -> Server {
        let (port, admin) = (free_port(), free_port());
        let (command, admin) = match subject {
            Subject::PlainLoop => (plain_loop(port, directory), None),
            Subject::Peer => (peer(port, directory, parts), None),
            Subject::Gateway(sinks) => (
                gateway(program, [port, admin], directory, (*sinks, door), parts),
                (!sinks.is_away()).then_some(admin),
            ),
        };

        let mut child = Child::start(&command, &directory.join("log"));
        child.wait_until("a server", Duration::from_secs(30), || listens(port));
        Server {
            child,
            address: address(port),
            admin,
        }
    }

    /// User and system time of all threads so far.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| fields[field].parse::<u64>().expect("ticks");
        // The kernel counts exactly and says it in hundredths of a second.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// The most memory that it has held at once, in MiB.
    pub fn memory_peak(&self) -> f64 {
        let status = self.proc("status");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        peak.and_then(|kib| kib.parse::<f64>().ok())
            .map_or(f64::NAN, |kib| kib / 1024.0)
    }

    /// Waits until nothing waits for a destination; at once, where nothing is delivered.
    pub fn wait_delivered(&mut self) {
        self.wait_until_waiting(0.0);
    }

    /// Waits until at most so many records wait, over all destinations.
    pub fn wait_until_waiting(&mut self, records: f64) {
        let Some(admin) = self.admin else { return };
        let is_there = || {
            let is_there = waiting(admin).is_some_and(|waiting| waiting <= records);
            if !is_there {
                std::thread::sleep(LOOK_AGAIN);
            }
            is_there
        };
        self.child.wait_until("delivery", DELIVERY, is_there);
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("proc")
    }

    pub fn end(mut self) {
        self.child.kill();
    }
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Where a gateway keeps its log, below the directory it is started over.
pub fn data_dir(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn gateway(
    program: &Path,
    [port, admin]: [u16; 2],
    directory: &Path,
    (sinks, door): (Sinks, Door),
    parts: &Parts,
) -> Command {
    let mut settings = vec![
        format!("data_dir={}", data_dir(directory).display()),
        format!("admin.listen=127.0.0.1:{admin}"),
        "send.store.links.listen=127.0.0.1:0".to_owned(),
        "gateway=bench".to_owned(),
        "log.level=warn".to_owned(),
        // Sixteen bodies of 8 MB are more than it takes by default.
        "ingest.in_flight_max_bytes=256MiB".to_owned(),
    ];
    settings.extend(sinks.settings(parts));
    settings.extend(door.settings(address(port), directory, parts));

    let mut command = Command::new(program);
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    command.env("BOXBRIDGE_SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET);
    // Ours: a gateway would take it for a setting.
    command.env_remove("BOXBRIDGE_BENCH_DIR");
    command
}

fn plain_loop(port: u16, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .arg(crate::PLAIN_LOOP)
        .arg(port.to_string())
        .arg(directory);
    command
}

fn peer(port: u16, directory: &Path, parts: &Parts) -> Command {
    let mosquitto = parts.mosquitto();
    let mut command = Command::new("python3");
    command
        .args(["-m", "uvicorn", "receiver:app", "--log-level", "warning"])
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peer"))
        .env("PYTHONPATH", installed("peer-1"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MQTT", mosquitto.to_string())
        .env("KAFKA", parts.kafka())
        .env("PICTURES", directory);
    command
}

/// Records that a destination has not answered yet, over all destinations.
fn waiting(admin: u16) -> Option<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;

    let of_line = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix("boxbridge_queue_waiting_records{")?;
        rest.rsplit(' ').next()?.parse().ok()
    };
    let counts: Vec<f64> = answer.lines().filter_map(of_line).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}
