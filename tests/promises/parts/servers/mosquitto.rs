//! The real mosquitto, on free ports of the loopback, with everything it needs in a temporary directory.
//!
//! It is ended with its owner. A machine without mosquitto fails the test: `apt-get install mosquitto`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::parts::certificates::Certificates;

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
    /// mosquitto's ACL file; "" = everything is allowed.
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
    process: Option<Child>,
}

const EXECUTABLE: &str = "/usr/sbin/mosquitto";
const PATIENCE: Duration = Duration::from_secs(10);

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
        // A free port may be taken by another test before mosquitto has it.
        for _ in 0..5 {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let addresses = settings.listeners.iter().map(|_| free_address()).collect();
            let mut mosquitto = Mosquitto {
                directory,
                addresses,
                process: None,
            };
            mosquitto.configure(settings);
            if mosquitto.try_run() {
                return mosquitto;
            }
            eprintln!("mosquitto did not start: {}", mosquitto.log());
        }
        panic!("mosquitto does not start");
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
        self.signal("TERM");
        self.wait_for_end();
    }

    /// SIGKILL: it forgets what it has in memory.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.wait_for_end();
    }

    /// SIGSTOP: it takes connections and bytes, and does nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Another ACL file in place of the one it was started with.
    pub fn allow(&self, acl: &str) {
        std::fs::write(self.file("acl"), acl).expect("acl");
        self.signal("HUP");
    }

    /// The same broker again, on the same ports.
    pub fn run(&mut self) {
        assert!(
            self.try_run(),
            "mosquitto does not start again: {}",
            self.log()
        );
    }

    fn configure(&self, settings: &Settings) {
        let mut lines = vec![
            "user root".to_owned(), // It would leave our files to a user of its own.
            "per_listener_settings false".to_owned(),
            "max_inflight_messages 0".to_owned(),
            // Not 0: with it, 2.0.11 drops the connection of a client that publishes what it denies.
            "max_queued_messages 1000000".to_owned(),
            format!("persistence_location {}/", self.directory.path().display()),
        ];
        if settings.users.is_empty() {
            lines.push("allow_anonymous true".to_owned());
        } else {
            self.write_passwords(settings.users);
            lines.push(format!(
                "allow_anonymous false\npassword_file {}",
                self.file("passwords").display()
            ));
        }
        if !settings.acl.is_empty() {
            std::fs::write(self.file("acl"), settings.acl).expect("acl");
            lines.push(format!("acl_file {}", self.file("acl").display()));
        }
        lines.extend(settings.lines.iter().map(|line| (*line).to_owned()));
        for (listener, address) in settings.listeners.iter().zip(&self.addresses) {
            lines.push(format!("listener {} {}", address.port(), address.ip()));
            lines.extend(listener_lines(*listener, settings.certificates));
        }
        std::fs::write(self.file("mosquitto.conf"), lines.join("\n")).expect("mosquitto.conf");
    }

    fn write_passwords(&self, users: &[(&str, &str)]) {
        let lines: String = users
            .iter()
            .map(|(name, password)| format!("{name}:{password}\n"))
            .collect();
        std::fs::write(self.file("passwords"), lines).expect("passwords");
        let status = Command::new("mosquitto_passwd")
            .arg("-U")
            .arg(self.file("passwords"))
            .status()
            .expect("mosquitto_passwd runs");
        assert!(status.success(), "mosquitto_passwd: {status}");
    }

    fn try_run(&mut self) -> bool {
        let log = std::fs::File::create(self.file("log")).expect("log");
        let child = Command::new(EXECUTABLE)
            .arg("-c")
            .arg(self.file("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto can be started");
        let process = self.process.insert(child);
        let deadline = Instant::now() + PATIENCE;
        let addresses = &self.addresses;
        let all_answer = || {
            addresses
                .iter()
                .all(|address| TcpStream::connect(address).is_ok())
        };
        while Instant::now() < deadline {
            if process
                .try_wait()
                .expect("its state can be asked")
                .is_some()
            {
                return false;
            }
            if all_answer() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn signal(&self, name: &str) {
        let Some(process) = &self.process else { return };
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(process.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name}: {status}");
    }

    fn wait_for_end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.wait().expect("mosquitto ends");
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
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

/// An address that nobody listens at, now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}
