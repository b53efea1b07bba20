//! Every command of docs/operations.md is typed as it stands there, in a gateway's own folder, with the names of this site in their place.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event, said};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::{base64, jpeg, wait_until};

/// Programs that are not ours, need another machine or more rights than a test has.
const NOT_HERE: [&str; 11] = [
    "dmesg",
    "iostat",
    "kafka-consumer-groups.sh",
    "kcat",
    "kill",
    "kubectl",
    "mosquitto_passwd",
    "mosquitto_sub",
    "smartctl",
    "systemctl",
    "ulimit",
];
/// Nouns alone, which the page names and nobody types.
const NOUNS: [&str; 2] = ["boxbridge aside", "boxbridge quarantine"];
/// Typed once the gateway is stopped.
const STOPPED: [&str; 3] = ["boxbridge queue forget", "cp ", "dd "];
/// Nothing matches these, and they say so.
const IN_VAIN: [&str; 2] = [
    "boxbridge aside drop --to \"30d ago\"",
    "boxbridge queue replays --cancel",
];

/// What the page has one type: its indented lines, and the commands in its sentences that are whole.
fn typed() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let is_indented = |line: &&str| line.starts_with("    ");
    let lines = page.lines().filter(is_indented);
    let lines = lines.map(|line| line.split(" #").next().unwrap().trim().to_owned());

    let rest: Vec<&str> = page.lines().filter(|line| !is_indented(line)).collect();
    let rest = rest.join("\n");
    let quoted = rest.split('`').skip(1).step_by(2).map(str::to_owned);
    let is_whole = |text: &String| {
        let program = text.split(' ').next().unwrap();
        let ours = ["boxbridge", "cp", "curl", "dd", "df", "du", "printf", "ss"];
        let is_part = text.contains('[') || NOUNS.contains(&text.as_str());
        ours.contains(&program) && text.contains(' ') && !is_part && !text.ends_with("=always")
    };
    lines.chain(quoted.filter(is_whole)).collect()
}

fn is_one_of(command: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|begins| command.starts_with(begins))
}

struct Site {
    gateway: Gateway,
    mosquitto: Mosquitto,
    folder: tempfile::TempDir,
    numbers: u64,
}

impl Site {
    fn start() -> Site {
        let mosquitto = Mosquitto::with(&narrow());
        let folder = tempfile::tempdir().unwrap();
        let url = format!("mqtt://{}", mosquitto.address());
        let gateway = Gateway::start(&[
            ("SEND__MQTT__URL", &url),
            ("INGEST__DEVICES__SILENT_AFTER", "1s"),
        ]);
        let mut site = Site {
            gateway,
            mosquitto,
            folder,
            numbers: 0,
        };
        site.post("192.168.1.243", 100);
        site.post("192.168.1.19", 100);
        site.gateway.wait_delivered();
        site
    }

    /// An event of a visitor; the broker takes 5,000 bytes.
    fn post(&mut self, device: &str, bytes: usize) {
        self.numbers += 1;
        let mut event = event(&self.numbers.to_string(), json!(2), device);
        event["comment"] = json!("x".repeat(bytes));
        event["ext_data"]["spot_pic"] = base64(&jpeg(self.numbers, 1_000));
        self.gateway.take("/RealTimeEvent", &event);
    }

    /// So that there is something to see, to send and to drop.
    fn prepare(&mut self, command: &str) {
        if command.starts_with("boxbridge aside") {
            let before = self.gateway.ledger("mqtt").set_aside;
            // One that is taken, or the type would be paused at last.
            self.post("192.168.1.243", 100);
            self.post("192.168.1.243", 6_000);
            wait_until("it is set aside", || {
                self.gateway.ledger("mqtt").set_aside > before
            });
        }
        if command.starts_with("boxbridge quarantine") {
            let odd = event(&self.numbers.to_string(), json!(2), "192.168.1.243");
            assert_eq!(self.gateway.post("/NoSuchPath", &odd).status, 404);
        }
        if command.contains("--silent") {
            wait_until("somebody is silent", || {
                self.gateway.run(&["devices", "--silent"]).1 == Some(0)
            });
        }
    }

    /// The broker takes everything, while this is typed.
    fn widen(&mut self, command: &str) {
        if !command.starts_with("boxbridge aside resend") || command.contains("--dry-run") {
            return;
        }
        self.mosquitto.stop();
        self.mosquitto.run_with(&Settings::default());
        wait_until("mqtt is back", || {
            self.gateway.ready()["destinations"]["mqtt"] == "up"
        });
    }

    fn narrow(&mut self) {
        self.mosquitto.stop();
        self.mosquitto.run_with(&narrow());
        wait_until("mqtt is back", || {
            self.gateway.ready()["destinations"]["mqtt"] == "up"
        });
    }

    /// With the names of this site.
    fn here(&self, command: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let (ingest, admin) = (
            self.gateway.ingest.to_string(),
            self.gateway.admin.to_string(),
        );
        let empty = self.folder.path().join("empty.toml");
        std::fs::write(&empty, "").unwrap();
        let mut here = command.to_owned();
        for (theirs, ours) in [
            ("127.0.0.1:9529", admin.as_str()),
            ("gate.example.com:9529", &admin),
            ("HOST:9528", &ingest),
            ("/etc/boxbridge", &folder),
            ("/srv/new", &folder),
            ("--config FILE", &format!("--config {}", empty.display())),
            (
                "if=FILE of=NEW",
                &format!("if=data/instance of={folder}/read"),
            ),
            ("--from 14:00 --to 15:00", "--from \"1h ago\" --to now"),
            ("--destination kafka", "--destination mqtt"),
            ("--destination NAME", "--destination mqtt"),
            ("forget kafka", "forget mqtt"),
            ("forget NAME", "forget mqtt"),
            ("resume NAME", "resume mqtt"),
            ("--peer 192.168.1.19", "--peer 127.0.0.1"),
            ("ADDRESS", "127.0.0.1"),
        ] {
            here = here.replace(theirs, ours);
        }
        for (list, member) in [("aside", "records"), ("quarantine", "bodies")] {
            if here.starts_with(&format!("boxbridge {list} show")) {
                here = here.replace(" ID", &format!(" {}", self.first(list, member)));
            }
        }
        if here.starts_with("boxbridge trace") {
            here = format!("boxbridge trace {}", self.event_id());
        }
        // These end when somebody ends them.
        let is_endless = here.starts_with("boxbridge tap") || here.contains("--watch");
        match is_endless {
            true => format!("timeout --preserve-status -s INT 2 {here}"),
            false => here,
        }
    }

    /// A tokens file. The gateway has none: its boxes show no tokens.
    fn tokens(&self) -> std::path::PathBuf {
        let file = self.folder.path().join("tokens");
        if !file.exists() {
            std::fs::write(&file, "").unwrap();
        }
        file
    }

    fn first(&self, list: &str, member: &str) -> String {
        let (text, _) = self.gateway.run(&[list, "list", "--json"]);
        let listed: Value = serde_json::from_str(&text).unwrap();
        listed[member][0]["id"].as_str().unwrap().to_owned()
    }

    fn event_id(&self) -> String {
        let (text, _) = self
            .gateway
            .run(&["queue", "inspect", "--last", "1", "--json"]);
        let record: Value = serde_json::from_str(&text).unwrap();
        record["id"].as_str().unwrap().to_owned()
    }

    fn run(&self, command: &str) {
        let line = self.here(command);
        let mut shell = self.gateway.beside("bash");
        let program = Path::new(env!("CARGO_BIN_EXE_boxbridge"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", program.parent().unwrap().display());
        shell.env("PATH", path).env("new", "secret");
        if command.starts_with("boxbridge token") {
            shell.env("BOXBRIDGE_INGEST__TOKENS_FILE", self.tokens());
        }
        if command.starts_with("boxbridge queue forget") {
            // It was switched off.
            shell.env("BOXBRIDGE_SEND__MQTT__URL", "");
            shell.env("BOXBRIDGE_SEND__KAFKA__BROKERS", "127.0.0.1:9");
        }

        let (said, code) = said(shell.args(["-o", "pipefail", "-c", &line]));
        let expected = i32::from(is_one_of(command, &IN_VAIN));
        assert_eq!(code, Some(expected), "{command}\n{line}\n{said}");
        assert!(!said.contains("error:"), "{command}: {said}");
    }
}

fn narrow() -> Settings<'static> {
    Settings {
        lines: &["message_size_limit 5000"],
        ..Settings::default()
    }
}

#[test]
fn every_command_of_the_operators_page_does_what_it_says_when_it_is_typed() {
    let commands = typed();
    let (stopped, running): (Vec<_>, Vec<_>) = commands
        .iter()
        .filter(|command| !is_one_of(command, &NOT_HERE))
        .partition(|command| is_one_of(command, &STOPPED));
    assert!(running.len() > 40 && stopped.len() >= 3, "{commands:#?}");

    let mut site = Site::start();
    for command in running {
        site.prepare(command);
        site.widen(command);
        site.run(command);
        if command.starts_with("boxbridge aside resend") {
            site.narrow();
        }
    }

    assert_eq!(site.gateway.stop(), Some(0));
    let mut typed = BTreeSet::new();
    for command in stopped {
        if typed.insert(site.here(command)) {
            site.run(command);
        }
    }
    let copy = format!("data_dir={}/data", site.folder.path().display());
    let (said, code) = site.gateway.run(&["queue", "verify", "--set", &copy]);
    assert_eq!(code, Some(0), "the copy is sound: {said}");
}
