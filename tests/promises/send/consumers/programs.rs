//! The examples as processes: how each is started, and what it has printed.
//!
//! Promises: an example runs as it lies in `examples/`, with the packages that its own lock names. Deliberately reads only the three kinds of lines
//! that all of them print.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::child::{Child, free_port, installed};

pub const PART: &str = "consumers-1";

/// Where a consumer finds its bus.
pub struct Addresses {
    pub mqtt: SocketAddr,
    pub websocket: SocketAddr,
    pub kafka: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    Mqtt,
    Kafka,
}

pub struct Program {
    pub name: &'static str,
    pub bus: Bus,
    child: Child,
}

impl Program {
    /// All of them, at once.
    pub fn start_all(folder: &Path, at: &Addresses) -> Vec<Program> {
        let mqtt = format!("mqtt://{}", at.mqtt);
        let programs = [
            ("python/alerts.py", Bus::Mqtt, python("alerts.py", &mqtt)),
            (
                "python/events.py",
                Bus::Kafka,
                python("events.py", &at.kafka),
            ),
            (
                "javascript/alerts.js",
                Bus::Mqtt,
                javascript(folder, "alerts.js", &format!("ws://{}", at.websocket)),
            ),
            (
                "javascript/events.js",
                Bus::Kafka,
                javascript(folder, "events.js", &at.kafka),
            ),
            ("go", Bus::Mqtt, go(folder, &mqtt)),
            ("java/Events.java", Bus::Kafka, java(&at.kafka)),
            ("node-red/flow.json", Bus::Mqtt, node_red(folder, at.mqtt)),
        ];

        let start = |(name, bus, command): (&'static str, Bus, Command)| {
            let log = folder.join(name.replace('/', "-"));
            let child = Child::start(&command, &log);
            Program { name, bus, child }
        };
        programs.into_iter().map(start).collect()
    }

    /// What it printed of alerts, records and pictures.
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.child.log).unwrap_or_default();
        let words = text.lines().map(|line| match line.split_once("[debug:") {
            // Node-RED says when, and which node.
            Some((_, line)) => line.split_once("] ").map_or(line, |(_, line)| line),
            None => line,
        });
        let is_ours = |line: &&str| {
            ["ALERT ", "record ", "picture "]
                .iter()
                .any(|word| line.starts_with(word))
        };
        words.filter(is_ours).map(str::to_owned).collect()
    }

    pub fn log(&self) -> String {
        self.child.log_end()
    }

    /// SIGTERM, and the exit code that follows.
    pub fn stop(&mut self) -> Option<i32> {
        self.child.signal("TERM");
        self.child.wait()
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

fn python(file: &str, address: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(example("python").join(file))
        .arg(address)
        .env("PYTHONPATH", installed(PART).join("python"));
    command
}

/// Node looks for packages beside the file.
fn javascript(folder: &Path, file: &str, address: &str) -> Command {
    let home = folder.join(format!("home-of-{file}"));
    std::fs::create_dir(&home).unwrap();
    for name in ["package.json", file] {
        std::fs::copy(example("javascript").join(name), home.join(name)).unwrap();
    }
    let packages = installed(PART).join("javascript/node_modules");
    std::os::unix::fs::symlink(packages, home.join("node_modules")).unwrap();

    let mut command = Command::new("node");
    command.arg(home.join(file)).arg(address);
    command
}

fn go(folder: &Path, address: &str) -> Command {
    let (program, part) = (folder.join("go-alerts"), installed(PART).join("go"));
    let mut build = Command::new("go");
    build
        .current_dir(example("go"))
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-modcacherw")
        .env("GOMODCACHE", part.join("modules"))
        .env("GOCACHE", part.join("build"));
    assert!(build.status().unwrap().success(), "examples/go: go build");

    let mut command = Command::new(program);
    command.arg(address);
    command
}

fn java(address: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
        .arg("-cp")
        .arg(installed("kafka-4.4.0").join("libs/*"))
        .arg(example("java/Events.java"))
        .arg(address);
    command
}

/// Without its editor: nobody looks at it.
const NODE_RED: &str = r#"module.exports = {
    uiHost: "127.0.0.1", httpAdminRoot: false, httpNodeRoot: false, telemetry: { enabled: false },
    mqttReconnectTime: 1000, logging: { console: { level: "info" } },
};"#;

fn node_red(folder: &Path, mqtt: SocketAddr) -> Command {
    let home = folder.join("home-of-node-red");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("settings.js"), NODE_RED).unwrap();
    std::fs::copy(example("node-red/flow.json"), home.join("flow.json")).unwrap();

    let mut command = Command::new("node");
    command
        .arg(installed(PART).join("consumers/node_modules/node-red/red.js"))
        .args(["--userDir", "."])
        .args(["--settings", "settings.js"])
        .args(["--port", &free_port().to_string(), "flow.json"])
        .current_dir(&home)
        .env("MQTT_HOST", mqtt.ip().to_string())
        .env("MQTT_PORT", mqtt.port().to_string());
    command
}
