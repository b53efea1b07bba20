//! Passwords, certificates and rights towards real brokers and stores: with a wrong one a destination is down for one reason that names the
//! setting, and all that came meanwhile arrives once it is put right, without a restart.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::{base64, jpeg, wait_until};

mod by_token;
mod kafka;
mod mqtt;
mod store;
mod web_identity;

/// A destination that is kept out at first.
struct KeptOut {
    name: &'static str,
    settings: Vec<(&'static str, Setting)>,
    /// What its reason says.
    says: Vec<&'static str>,
}

impl KeptOut {
    fn is_said(&self, gateway: &Gateway) {
        let began = Instant::now();
        loop {
            let reason = reason(gateway, self.name);
            if self.says.iter().all(|words| reason.contains(words)) {
                return;
            }
            let (name, says) = (self.name, &self.says);
            assert!(
                began.elapsed() < PATIENCE,
                "{name}: {says:?} is not in {reason:?}"
            );
            // Between two looks.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

enum Setting {
    Is(String),
    /// Written in the settings, and later otherwise.
    Becomes(String, String),
    /// Names a file; what is in it at first, and later.
    File(Vec<u8>, Vec<u8>),
}

use Setting::{Becomes, File, Is};

impl Setting {
    fn secret(wrong: &str, right: &str) -> Setting {
        File(wrong.into(), right.into())
    }

    fn pem(wrong: &Path, right: &Path) -> Setting {
        let [wrong, right] = [wrong, right].map(|path| std::fs::read(path).unwrap());
        File(wrong, right)
    }

    fn path(path: &Path) -> Setting {
        Is(path.display().to_string())
    }
}

/// All of a test, and the gateway that has them.
struct Site {
    kind: &'static str,
    kept_out: Vec<KeptOut>,
    folder: tempfile::TempDir,
    /// More of the settings file.
    more: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Wrong,
    Right,
}

impl Site {
    fn new(kind: &'static str, kept_out: Vec<KeptOut>, more: String) -> Site {
        Site {
            kind,
            kept_out,
            folder: tempfile::tempdir().unwrap(),
            more,
        }
    }

    fn write(&self, now: Now) {
        let mut text = "[send]\nretry_max = \"1s\"\n".to_owned();
        for KeptOut { name, settings, .. } in &self.kept_out {
            write!(text, "[send.{name}]\nkind = \"{}\"\n", self.kind).unwrap();
            for (key, setting) in settings {
                let value = self.value(name, key, setting, now);
                writeln!(text, "{key} = {value:?}").unwrap();
            }
        }
        text += &self.more;
        put(&self.file(), text.as_bytes());
    }

    fn value(&self, name: &str, key: &str, setting: &Setting, now: Now) -> String {
        match (setting, now) {
            (Is(value) | Becomes(value, _), Now::Wrong) => value.clone(),
            (Is(value) | Becomes(_, value), Now::Right) => value.clone(),
            (File(wrong, right), now) => {
                let path = self.folder.path().join(format!("{name}.{key}"));
                put(&path, if now == Now::Wrong { wrong } else { right });
                path.display().to_string()
            }
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("boxbridge.toml")
    }

    /// `put_right` is what has to be done elsewhere.
    fn is_kept_out_and_then_let_in(&self, put_right: impl FnOnce()) {
        self.write(Now::Wrong);
        let file = self.file();
        let gateway = Gateway::start(&[("CONFIG", file.to_str().unwrap())]);
        gateway.take("/RealTimeEvent", &with_a_picture("1"));

        for kept_out in &self.kept_out {
            kept_out.is_said(&gateway);
        }
        // The stimulus: some more attempts.
        std::thread::sleep(Duration::from_secs(4));
        self.is_said_once(&gateway);

        put_right();
        self.write(Now::Right);
        gateway.take("/RealTimeEvent", &with_a_picture("2"));
        for KeptOut { name, .. } in &self.kept_out {
            wait_until(&format!("{name} gets both"), || {
                gateway.ledger(name).delivered == 2
            });
        }
        self.is_silent_of_secrets(&gateway);
    }

    /// Each has one reason, in `status` as well, one line in the log for each lane, and nothing was given up.
    fn is_said_once(&self, gateway: &Gateway) {
        let (status, _) = gateway.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        let log = gateway.log();

        for KeptOut { name, says, .. } in &self.kept_out {
            let shown = reasons(&status, name);
            assert_eq!(shown.len(), 1, "{name}: {shown:#?}");
            assert!(
                says.iter().all(|words| shown[0].contains(words)),
                "{shown:?}"
            );

            let named = format!("\"destination.name\":\"{name}\"");
            let lines = log.lines().filter(|line| line.contains(&named));
            let lines: Vec<_> = lines.filter(|line| line.contains("\"WARN\"")).collect();
            assert!((1..=2).contains(&lines.len()), "{name}: {lines:#?}");

            let ledger = gateway.ledger(name);
            assert_eq!((ledger.waiting, ledger.ended()), (1, 0), "{name}");
        }
    }

    fn is_silent_of_secrets(&self, gateway: &Gateway) {
        let log = gateway.log();
        for (key, setting) in self.kept_out.iter().flat_map(|it| &it.settings) {
            if let (true, File(wrong, right)) = (
                key.ends_with("password_file") || key.contains("secret"),
                setting,
            ) {
                for secret in [wrong, right] {
                    let secret = String::from_utf8_lossy(secret);
                    assert!(!log.contains(&*secret), "a secret is in the log");
                }
            }
        }
    }
}

/// Why a destination does not deliver; empty where it does.
fn reason(gateway: &Gateway, destination: &str) -> String {
    reasons(&gateway.ready(), destination).concat()
}

fn reasons(shown: &Value, destination: &str) -> Vec<String> {
    let begins = format!("{destination} ");
    let reasons = shown["reasons"].as_array().unwrap().iter();
    let reasons = reasons.filter_map(Value::as_str);
    let of_it = reasons.filter(|reason| reason.starts_with(&begins));
    of_it.map(str::to_owned).collect()
}

fn with_a_picture(number: &str) -> Value {
    let mut event = event(number, json!(1), "gate");
    event["ext_data"]["spot_pic"] = base64(&jpeg(number.parse().unwrap(), 3_000));
    event
}

/// In one go, as Kubernetes and careful people do.
fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(beside, path).unwrap();
}
