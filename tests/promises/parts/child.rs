//! A real part as a child process: it gets a log file, signals, and an end that comes even if the test process is killed.
//!
//! Promises: only processes that were started here are signalled; dropping a [`Child`] ends it; when this process dies, so do
//! its children. Deliberately knows nothing of what it runs.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A busy machine is no broken promise: this bounds what hangs.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Child {
    process: std::process::Child,
    pub log: PathBuf,
}

impl Child {
    /// Starts `command` with both outputs appended to `log`.
    pub fn start(command: &Command, log: &Path) -> Child {
        let output = File::options().create(true).append(true).open(log).unwrap();
        // setpriv is of util-linux: the child gets a SIGKILL when the thread that started it ends.
        let mut wrapped = Command::new("setpriv");
        wrapped
            .args(["--pdeathsig", "SIGKILL"])
            .arg(command.get_program())
            .args(command.get_args());

        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            wrapped.current_dir(directory);
        }
        wrapped
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        Child {
            process: keeper_spawn(wrapped),
            log: log.to_owned(),
        }
    }

    /// It holds its connections and answers nothing, until [`Child::resume`].
    pub fn pause(&mut self) {
        self.signal("STOP");
        // Each thread stops when it gets the signal, and one of them may still answer before.
        let tasks = format!("/proc/{}/task", self.process.id());
        self.wait_until("all threads stopped", PATIENCE, || {
            let stopped = |task: std::fs::DirEntry| {
                let status = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                status
                    .rsplit(')')
                    .next()
                    .is_some_and(|fields| fields.trim_start().starts_with('T'))
            };
            std::fs::read_dir(&tasks).unwrap().flatten().all(stopped)
        });
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status()
            .unwrap();
        assert!(status.success(), "kill -s {name} {pid}");
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits for the end, and its exit code; panics if it never comes.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "does not end; its log ends:\n{}",
                self.log_end()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `ready` says yes; panics with the end of the log if it never does or the process ends.
    pub fn wait_until(&mut self, what: &str, at_most: Duration, mut ready: impl FnMut() -> bool) {
        let deadline = Instant::now() + at_most;
        while !ready() {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                panic!(
                    "{what}: not there within {at_most:?} (ended: {ended:?}); its log ends:\n{}",
                    self.log_end()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log_end(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4_000)..]).into_owned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether someone listens there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(500)).is_ok()
}

/// Of one process; five may run at once.
const PORTS: u16 = 2_200;

/// A port of 127.0.0.1 that nobody holds, below those that the system hands out to clients: a broker that is restarted finds it free, since other
/// processes that test have other ports.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let held = held_port();
    for _ in 1..PORTS {
        let port = held + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % (PORTS - 1);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port behind {held}");
}

/// The first of this process's ports: it is held for as long as the process lives.
fn held_port() -> u16 {
    static HELD: OnceLock<TcpListener> = OnceLock::new();
    let held = HELD.get_or_init(|| {
        let firsts = (20_000..31_000).step_by(usize::from(PORTS));
        let mut held = firsts.flat_map(|port| TcpListener::bind(("127.0.0.1", port)));
        held.next().expect("five processes test already")
    });
    held.local_addr().unwrap().port()
}

/// The folder of an installed part, such as `kafka-4.4.0`.
pub fn installed(part: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache"),
        PathBuf::from,
    );
    let folder = cache.join("boxbridge-test").join(part);
    assert!(
        folder.is_dir(),
        "{} is missing: run tests/install/parts (make test does)",
        folder.display()
    );
    folder
}

/// Starts a process from a thread that lives as long as this process: a test's own thread would take its children along.
fn keeper_spawn(command: Command) -> std::process::Child {
    type Job = (Command, mpsc::Sender<std::io::Result<std::process::Child>>);
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Job>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (jobs, todo) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in todo {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(jobs)
    });
    let (reply, answer) = mpsc::channel();

    keeper.lock().send((command, reply)).unwrap();
    answer.recv().unwrap().unwrap()
}
