//! The gateway itself, as its users run it: the binary, with settings by environment, on ports of its own choice.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cgroup::Cgroup;
use super::child::{Child, PATIENCE, free_port};
use super::contract;
pub use super::contract::logged::event;
pub use super::site::files;

/// What the environment of a gateway says; names without the prefix.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

pub struct Gateway {
    child: Child,
    command: Command,
    directory: tempfile::TempDir,
    /// Behind the child: it can be removed once nobody is in it.
    cgroup: Option<Cgroup>,
    pub ingest: SocketAddr,
    pub admin: SocketAddr,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

/// accepted = delivered + set aside + expired + waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub accepted: u64,
    pub delivered: u64,
    pub set_aside: u64,
    pub expired: u64,
    pub waiting: u64,
}

impl Ledger {
    pub fn ended(&self) -> u64 {
        self.delivered + self.set_aside + self.expired
    }
}

impl Gateway {
    /// Running and ready.
    pub fn start(settings: Settings) -> Gateway {
        Gateway::start_as(Command::new(env!("CARGO_BIN_EXE_boxbridge")), settings)
    }

    /// The same with variables that are not ours.
    pub fn start_in_environment(variables: Settings, settings: Settings) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command.envs(variables.iter().copied());
        Gateway::start_as(command, settings)
    }

    /// The same with so many file descriptors, and no right to more.
    pub fn start_limited(descriptors: u32, settings: Settings) -> Gateway {
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--nofile={descriptors}:{descriptors}"))
            .arg(env!("CARGO_BIN_EXE_boxbridge"));
        Gateway::start_as(command, settings)
    }

    /// The same within so much memory, page cache and the kernel's buffers included, where this machine lets us make a cgroup.
    pub fn start_within(bytes: u64, settings: Settings) -> Gateway {
        let Some(cgroup) = Cgroup::with_memory(bytes) else {
            println!("no cgroup can be made here: memory is judged by the gateway's own alone");
            return Gateway::start(settings);
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(cgroup.processes())
            .arg(env!("CARGO_BIN_EXE_boxbridge"));

        let mut gateway = Gateway::start_as(command, settings);
        gateway.cgroup = Some(cgroup);
        gateway
    }

    fn start_as(mut command: Command, settings: Settings) -> Gateway {
        let directory = tempfile::tempdir().unwrap();
        let ingest = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
        command.current_dir(directory.path());

        let own = [
            (
                "DATA_DIR",
                directory.path().join("data").display().to_string(),
            ),
            ("INGEST__LISTEN", ingest.to_string()),
            ("ADMIN__LISTEN", admin.to_string()),
            ("SEND__STORE__LINKS__LISTEN", "127.0.0.1:0".to_owned()),
            ("GATEWAY", "edge-1".to_owned()),
            ("LOG__FORMAT", "json".to_owned()),
            // A machine that runs tests is slower than a box is patient.
            ("INGEST__ANSWER_DEADLINE", "60s".to_owned()),
        ];
        let given = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        command.envs(
            own.into_iter()
                .chain(given)
                .map(|(name, value)| (format!("BOXBRIDGE_{name}"), value)),
        );

        let child = Child::start(&command, &directory.path().join("log"));
        let mut gateway = Gateway {
            child,
            command,
            directory,
            cgroup: None,
            ingest,
            admin,
        };
        gateway.wait_ready();
        gateway
    }

    fn wait_ready(&mut self) {
        let mut settings = self.command.get_envs();
        let is_encrypted =
            settings.any(|it| it == ("BOXBRIDGE_INGEST__LISTEN".as_ref(), Some("".as_ref())));
        let (address, path) = match is_encrypted {
            false => (self.ingest, "/RealTimeEvent"),
            true => (self.admin, "/readyz"),
        };
        let asked = format!("GET {path} HTTP/1.0\r\n\r\n");
        self.child.wait_until("gateway", PATIENCE, || {
            request(address, asked.as_bytes()).is_some_and(|a| a.status == 200)
        });
    }

    /// SIGKILL and the same command on the same data.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub fn kill(&mut self) {
        self.child.kill();
    }

    pub fn restart(&mut self) {
        self.start_again();
        self.wait_ready();
    }

    pub fn start_again(&mut self) {
        self.child = Child::start(&self.command, &self.directory.path().join("log"));
    }

    /// SIGTERM, and the exit that follows.
    pub fn stop(&mut self) -> Option<i32> {
        self.child.signal("TERM");
        self.child.wait()
    }

    pub fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most it ever held, by the kernel's count.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The most that its cgroup ever held; `None` where it is in none of ours.
    pub fn peak_cgroup_kib(&self) -> Option<u64> {
        self.cgroup.as_ref().map(|it| it.peak_bytes() / 1024)
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.child.log).unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("http://{}/RealTimeEvent", self.ingest)
    }

    /// The same binary with the same settings, for another command; what it printed and its exit code.
    pub fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        said(self.beside(self.command.get_program()).args(arguments))
    }

    /// A program in the gateway's folder, with its settings.
    pub fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path());
        self.command.get_envs().for_each(|(name, value)| {
            command.env(name, value.unwrap());
        });
        command
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    /// Posts what must be answered 200.
    pub fn take(&self, path: &str, body: &Value) {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.try_post(path, body).expect("an answer")
    }

    /// The same; `None` where the connection ends without one.
    pub fn try_post(&self, path: &str, body: &[u8]) -> Option<Answer> {
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        request(self.ingest, &bytes)
    }

    /// Raw bytes to the boxes' port, and the first answer to them; `None` where the connection ends without one.
    pub fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        request(self.ingest, bytes)
    }

    /// Every sample of `/metrics`: `name{labels}` → value.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let text = get(self.admin, "/metrics");
        text.lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// A metric over all its series that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// What became of the records of a destination, over both lanes.
    pub fn ledger(&self, destination: &str) -> Ledger {
        let metrics = self.metrics();
        let of = ("destination", destination);
        let count = |name, labels: &[_]| sum(&metrics, name, labels) as u64;
        let ended = |outcome| count("boxbridge_send_records_total", &[of, ("outcome", outcome)]);
        Ledger {
            accepted: count("boxbridge_send_accepted_total", &[of]),
            delivered: ended("delivered"),
            set_aside: ended("set_aside"),
            expired: ended("expired"),
            waiting: count("boxbridge_queue_waiting_records", &[of]),
        }
    }

    pub fn ready(&self) -> Value {
        serde_json::from_str(&get(self.admin, "/readyz")).unwrap()
    }

    /// Waits until every destination has answered everything; panics with what is left.
    pub fn wait_delivered(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let waiting = self.sum("boxbridge_queue_waiting_records", &[]);
            if waiting == 0.0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{waiting} still wait: {}\n{}",
                self.ready(),
                self.child.log_end()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn pictures(&self) -> std::path::PathBuf {
        self.data_dir().join("pictures")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        contract::logged::check_log(&self.log());
    }
}

fn sum(metrics: &BTreeMap<String, f64>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<_> = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    let is_of_it = |series: &str| match series.split_once('{') {
        Some((of, has)) => of == name && labels.iter().all(|label| has.contains(label)),
        None => series == name && labels.is_empty(),
    };
    let found = metrics.iter().filter(|(series, _)| is_of_it(series));
    found.map(|(_, value)| value).sum()
}

/// What a program printed, and its exit code.
pub fn said(command: &mut Command) -> (String, Option<i32>) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (said, output.status.code())
}

/// The body that a GET is answered with.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Sends everything from a thread of its own (an answer may come before the end), and reads the first answer.
fn request(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    exchange(TcpStream::connect_timeout(&address, PATIENCE).ok()?, bytes)
}

/// The same over a connection that is there.
pub fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Option<Answer> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().ok()?;
    let sent = bytes.to_vec();
    let sender = std::thread::spawn(move || writer.write_all(&sent));
    let answer = read_answer(&mut stream);
    drop(stream);
    let _ = sender.join();
    answer.inspect(|it| contract::check_answer(bytes, it.status, &it.body))
}

pub fn read_answer(stream: &mut impl Read) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")?
                        .trim()
                        .parse::<usize>()
                        .ok()
                })
                .unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let status = head.split(' ').nth(1)?.parse().ok()?;
                let body = serde_json::from_slice(&bytes[end + 4..end + 4 + length])
                    .unwrap_or(Value::Null);
                return Some(Answer { status, head, body });
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
