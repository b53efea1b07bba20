//! What the unit asks of systemd, from a stand-in for it: started means answered, and a restart refuses no box.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use boxbridge_proof::simulate::{Options, Outcome, run_until};
use tokio_util::sync::CancellationToken;

use super::{file, text};
use crate::parts::certificates::Certificates;
use crate::parts::child::{Child, PATIENCE, free_port, listens};
use crate::parts::site::wait_until;

/// Of each one request at a time.
const BOXES: u32 = 20;
const KILLS: u32 = 5;

struct Service {
    manager: Child,
    directory: tempfile::TempDir,
    ingest: u16,
}

impl Service {
    /// Started: boxes are answered.
    fn start() -> Service {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(file("tests/debian/service_manager"));
        command.current_dir(directory.path()).args([
            "notify",
            env!("CARGO_BIN_EXE_boxbridge"),
            "--config",
            "settings.toml",
        ]);

        let ingest = write_settings(directory.path(), "127.0.0.1", free_port());
        let manager = Child::start(&command, &directory.path().join("log"));
        let service = Service {
            manager,
            directory,
            ingest,
        };
        service.wait_started(1);
        service
    }

    fn wait_started(&self, times: usize) {
        wait_until("the service is started", || {
            self.log().matches("'READY': '1'").count() >= times
        });
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.manager.log).unwrap()
    }

    /// Boxes that send as they do, each over a connection of its own, while the service ends by `signal` and comes back, some times.
    async fn loaded_while(&self, signal: &str) -> Outcome {
        let options = Options {
            url: format!("http://{}", SocketAddr::from(([127, 0, 0, 1], self.ingest)))
                .parse()
                .unwrap(),
            rate: 200.0,
            duration: Duration::from_secs(3_600),
            patience: PATIENCE,
            boxes: BOXES,
            // Small: what is promised is that no port is closed, not how fast a starved machine reads.
            picture_bytes: 2_000,
            ..Options::default()
        };
        let stop = CancellationToken::new();
        let boxes = tokio::spawn(run_until(options, stop.clone()));

        for restart in 1..=KILLS as usize {
            // The stimulus: boxes send.
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.manager.signal(signal);
            tokio::task::block_in_place(|| self.wait_started(1 + restart));
        }
        stop.cancel();
        boxes.await.unwrap().unwrap()
    }
}

/// The boxes' port is this one, which is returned.
fn write_settings(directory: &std::path::Path, address: &str, ingest: u16) -> u16 {
    let [admin, mqtt] = std::array::from_fn(|_| free_port());
    // A machine that runs tests is slower than a box is patient.
    let settings = format!(
        "ingest.listen = \"{address}:{ingest}\"\ningest.answer_deadline = \"60s\"\nadmin.listen = \"127.0.0.1:{admin}\"\nsend.mqtt.embedded.listen = \"127.0.0.1:{mqtt}\"\nsend.store.links.listen = \"127.0.0.1:0\"\n"
    );
    std::fs::write(directory.join("settings.toml"), settings).unwrap();
    ingest
}

#[test]
fn started_means_that_boxes_are_answered() {
    let service = Service::start();
    assert!(listens(service.ingest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_refuses_no_box() {
    let service = Service::start();
    let outcome = service.loaded_while("HUP").await;
    assert_eq!(
        outcome.acknowledged,
        outcome.events,
        "{outcome}\n{}",
        service.log()
    );
    assert_eq!(
        service.log().matches("held the boxes' port").count(),
        KILLS as usize
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_refuses_no_box_and_cuts_off_only_those_that_were_being_answered() {
    let service = Service::start();
    let outcome = service.loaded_while("USR1").await;
    let cut_off = outcome
        .statuses
        .get("connection_lost")
        .copied()
        .unwrap_or_default();

    assert_eq!(
        outcome.acknowledged + cut_off,
        outcome.events,
        "{outcome}\n{}",
        service.log()
    );
    assert!(
        cut_off <= u64::from(KILLS * BOXES) && outcome.acknowledged > 0,
        "{outcome}"
    );
}

#[test]
fn a_changed_address_is_listened_on_and_the_old_one_given_up() {
    let service = Service::start();
    let changed = write_settings(service.directory.path(), "127.0.0.1", free_port());
    service.manager.signal("HUP");
    service.wait_started(2);
    assert!(
        listens(changed) && !listens(service.ingest),
        "{}",
        service.log()
    );

    // The same port on every address, while the manager may still hold it on one.
    write_settings(service.directory.path(), "0.0.0.0", changed);
    service.manager.signal("HUP");
    service.wait_started(3);
    assert!(
        listens(changed) && !service.log().contains("cannot start"),
        "{}",
        service.log()
    );
}

#[test]
fn the_port_that_speaks_tls_is_held_beside_the_other_and_given_up_when_it_goes() {
    let service = Service::start();
    let certificates = Certificates::make();
    let (certificate, key) = certificates.server();
    let file = service.directory.path().join("settings.toml");
    let plain = std::fs::read_to_string(&file).unwrap();
    let tls = free_port();
    let (certificate, key) = (certificate.display(), key.display());
    let encrypted = format!(
        "{plain}ingest.tls_listen = \"127.0.0.1:{tls}\"\ningest.tls_cert_file = \"{certificate}\"\ningest.tls_key_file = \"{key}\"\n"
    );

    std::fs::write(&file, encrypted).unwrap();
    service.manager.signal("HUP");
    service.wait_started(2);
    service.manager.signal("HUP");
    service.wait_started(3);
    let held = service.log().matches("held the boxes' port").count();
    assert_eq!(held, 3, "one of two, then both: {}", service.log());
    assert!(listens(tls) && listens(service.ingest));

    std::fs::write(&file, plain).unwrap();
    service.manager.signal("HUP");
    service.wait_started(4);
    wait_until("nobody listens there any more", || !listens(tls));
    assert!(listens(service.ingest));
}

/// The next thing that a service manager hears.
fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1_000];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_reload_says_when_it_begins_and_when_it_is_over() {
    let directory = tempfile::tempdir().unwrap();
    write_settings(directory.path(), "127.0.0.1", free_port());
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();

    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command
        .current_dir(directory.path())
        .args(["--config", "settings.toml"])
        .env("NOTIFY_SOCKET", &path);
    let gateway = Child::start(&command, &directory.path().join("log"));
    while heard(&socket) != "READY=1" {}

    gateway.signal("HUP");
    let begins = heard(&socket);
    assert!(
        begins.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{begins}"
    );
    assert_eq!(heard(&socket), "READY=1");
}

#[test]
fn the_unit_asks_for_it() {
    let unit = text("config/debian/boxbridge.service");
    for line in [
        "Type=notify",
        "FileDescriptorStoreMax=2",
        "RestartSec=100ms",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ] {
        assert!(
            unit.lines().any(|found| found == line),
            "{line} is not in the unit"
        );
    }
}
