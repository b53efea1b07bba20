//! The real Prometheus of Debian: one that scrapes a gateway every second, with rules loaded, and its promtool.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::parts::child::{Child, PATIENCE, free_port, listens};
use crate::parts::gateway::get;

pub struct Prometheus {
    _child: Child,
    _directory: tempfile::TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes `target` as the job "edge", and evaluates the rules of `rules`, every second.
    pub fn start(target: SocketAddr, rules: &Path) -> Prometheus {
        let directory = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "edge", "static_configs": [{"targets": [target.to_string()]}]}],
        });
        // JSON is YAML.
        std::fs::write(directory.path().join("prometheus.yaml"), config.to_string()).unwrap();

        let mut command = Command::new("prometheus");
        command
            .arg(format!(
                "--config.file={}",
                directory.path().join("prometheus.yaml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));

        let mut child = Child::start(&command, &directory.path().join("log"));
        // It listens before it has opened its storage, and answers everything "Service Unavailable" until then.
        let is_ready = || listens(address.port()) && get(address, "/-/ready").contains("is Ready");
        child.wait_until(
            "Prometheus (Debian's package prometheus)",
            PATIENCE,
            is_ready,
        );
        Prometheus {
            _child: child,
            _directory: directory,
            address,
        }
    }

    /// The series that an expression gives now, or why it is none.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let mut answer = self.get(&format!("query?query={}", encoded(expression)))?;
        match answer["data"]["result"].take() {
            Value::Array(series) => Ok(series),
            other => Err(format!("no vector: {other}")),
        }
    }

    /// Every rule that is loaded, with how its last evaluation went.
    pub fn rules(&self) -> Vec<Value> {
        let answer = self.get("rules").unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap();
        groups
            .iter()
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let answer: Value = serde_json::from_str(&get(self.address, &format!("/api/v1/{path}")))
            .map_err(|e| e.to_string())?;
        if answer["status"] == "success" {
            Ok(answer)
        } else {
            Err(answer["error"].to_string())
        }
    }
}

/// What promtool says to `arguments`, and whether it is content; `input` goes to its standard input.
pub fn promtool(arguments: &[&str], input: &str) -> (String, bool) {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());

    let mut child = command
        .spawn()
        .expect("promtool is of Debian's package prometheus");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();

    let output = child.wait_with_output().unwrap();
    (
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        output.status.success(),
    )
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
