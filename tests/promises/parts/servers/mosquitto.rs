//! The real mosquitto, on free ports of the loopback, with everything it needs in a temporary directory.
//!
//! It is ended with its owner. A machine without mosquitto fails the test: `apt-get install mosquitto`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::parts::certificates::Certificates;
use crate::parts::child::{Child, PATIENCE, free_port, listens};

/// Who may come in by which door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    Tcp,
    WebSocket,
    Tls,
    WebSocketTls,
    /// TLS that asks for a client's certificate.
    MutualTls,
}

pub struct Settings<'a> {
    pub listeners: &'a [Listener],
    /// Names and passwords; empty = anyone.
    pub users: &'a [(&'a str, &'a str)],
    /// Lines of mosquitto's ACL file for clients without a name; "" = everything is allowed.
    pub acl: &'a str,
    /// More lines of mosquitto.conf, before the listeners.
    pub lines: &'a [&'a str],
    pub certificates: Option<&'a Certificates>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings {
            listeners: &[Listener::Tcp],
            users: &[],
            acl: "",
            lines: &[],
            certificates: None,
        }
    }
}

pub struct Mosquitto {
    directory: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    child: Child,
}

const EXECUTABLE: &str = "/usr/sbin/mosquitto";

impl Mosquitto {
    /// One TCP listener, anyone may do anything.
    pub fn start() -> Mosquitto {
        Mosquitto::with(&Settings::default())
    }

    pub fn with(settings: &Settings) -> Mosquitto {
        assert!(
            Path::new(EXECUTABLE).exists(),
            "{EXECUTABLE} is missing: apt-get install mosquitto"
        );

        let directory = tempfile::tempdir().expect("a temporary directory");
        let listeners = settings.listeners.iter();
        let addresses: Vec<_> = listeners
            .map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())))
            .collect();
        configure(directory.path(), &addresses, settings);

        let mut mosquitto = Mosquitto {
            child: spawn(directory.path()),
            directory,
            addresses,
        };
        mosquitto.wait();
        mosquitto
    }

    /// Of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Of the listener at this place of the settings.
    pub fn address_of(&self, listener: usize) -> SocketAddr {
        self.addresses[listener]
    }

    /// SIGTERM: it saves what it keeps.
    pub fn stop(&mut self) {
        self.child.signal("TERM");
        self.child.wait();
    }

    /// SIGKILL: it forgets what it has in memory.
    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// SIGSTOP: it takes connections and bytes, and does nothing.
    pub fn freeze(&mut self) {
        self.child.pause();
    }

    pub fn thaw(&self) {
        self.child.resume();
    }

    /// Another ACL file in place of the one it was started with.
    pub fn allow(&self, acl: &str) {
        write_acl(&self.directory.path().join("acl"), acl);
        self.child.signal("HUP");
    }

    /// Other users in place of those that it was started with, who are ended. Their clients have to log in again.
    pub fn let_in(&mut self, users: &[(&str, &str)]) {
        self.stop();
        write_passwords(&self.directory.path().join("passwords"), users);
        self.run();
    }

    /// The same broker again, on the same ports.
    pub fn run(&mut self) {
        self.child = spawn(self.directory.path());
        self.wait();
    }

    /// The same with other settings.
    pub fn run_with(&mut self, settings: &Settings) {
        configure(self.directory.path(), &self.addresses, settings);
        self.run();
    }

    /// Until all its listeners answer.
    fn wait(&mut self) {
        let ports: Vec<u16> = self.addresses.iter().map(SocketAddr::port).collect();
        self.child.wait_until("mosquitto", PATIENCE, || {
            ports.iter().all(|port| listens(*port))
        });
    }
}

fn spawn(directory: &Path) -> Child {
    let mut command = Command::new(EXECUTABLE);
    command.arg("-c").arg(directory.join("mosquitto.conf"));
    Child::start(&command, &directory.join("log"))
}

fn configure(directory: &Path, addresses: &[SocketAddr], settings: &Settings) {
    let file = |name: &str| directory.join(name);
    let mut lines = vec![
        "user root".to_owned(), // It would leave our files to a user of its own.
        "per_listener_settings false".to_owned(),
        "max_inflight_messages 0".to_owned(),
        // Not 0: with it, 2.0.11 drops the connection of a client that publishes what it denies.
        "max_queued_messages 1000000".to_owned(),
        // Sessions outlive a stop.
        "persistence true".to_owned(),
        format!("persistence_location {}/", directory.display()),
    ];
    if settings.users.is_empty() {
        lines.push("allow_anonymous true".to_owned());
    } else {
        write_passwords(&file("passwords"), settings.users);
        lines.push(format!(
            "allow_anonymous false\npassword_file {}",
            file("passwords").display()
        ));
    }
    if !settings.acl.is_empty() {
        write_acl(&file("acl"), settings.acl);
        lines.push(format!("acl_file {}", file("acl").display()));
    }
    lines.extend(settings.lines.iter().map(|line| (*line).to_owned()));

    for (listener, address) in settings.listeners.iter().zip(addresses) {
        lines.push(format!("listener {} {}", address.port(), address.ip()));
        lines.extend(listener_lines(*listener, settings.certificates));
    }
    std::fs::write(file("mosquitto.conf"), lines.join("\n")).expect("mosquitto.conf");
}

/// As patterns, which hold for everyone: what `topic` lines allow a client without a name, mosquitto 2.0 forgets over a restart until the client is
/// back, and a publication in between reaches no session of it, though the broker answers that it did.
fn write_acl(file: &Path, acl: &str) {
    std::fs::write(file, acl.replace("topic ", "pattern ")).expect("acl");
}

fn write_passwords(file: &Path, users: &[(&str, &str)]) {
    let lines: String = users
        .iter()
        .map(|(name, password)| format!("{name}:{password}\n"))
        .collect();
    std::fs::write(file, lines).expect("passwords");
    let status = Command::new("mosquitto_passwd")
        .arg("-U")
        .arg(file)
        .status()
        .expect("mosquitto_passwd runs");
    assert!(status.success(), "mosquitto_passwd: {status}");
}

fn listener_lines(listener: Listener, certificates: Option<&Certificates>) -> Vec<String> {
    let mut lines = Vec::new();
    if matches!(listener, Listener::WebSocket | Listener::WebSocketTls) {
        lines.push("protocol websockets".to_owned());
    }
    if matches!(
        listener,
        Listener::Tls | Listener::WebSocketTls | Listener::MutualTls
    ) {
        let certificates = certificates.expect("a TLS listener needs certificates");
        let (certificate, key) = certificates.server();
        lines.push(format!("certfile {}", certificate.display()));
        lines.push(format!("keyfile {}", key.display()));
        lines.push(format!("cafile {}", certificates.authority().display()));
    }

    if listener == Listener::MutualTls {
        lines.push("require_certificate true".to_owned());
    }
    lines
}
