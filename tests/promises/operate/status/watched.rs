//! `--watch`: plain blocks in a pipe, one place on a terminal, which is left as it was.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::BINARY;
use crate::parts::gateway::Gateway;

#[test]
fn watched_without_a_terminal_it_goes_on_in_plain_blocks() {
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let mut watching = Watching::start(&gateway, &["--watch", "1"]);
    watching.next("boxbridge");
    watching.next("boxbridge");
    assert_eq!(watching.interrupt(), Some(0));
    let mut watching = Watching::start(&gateway, &["--watch=1", "--json"]);
    for _ in 0..2 {
        let report: Value = serde_json::from_str(&watching.next("{")).unwrap();
        assert_eq!(report["ready"], true);
    }
    gateway.kill();
    watching.next("{\"unreachable\":\"nobody listens there\"");
    assert_eq!(watching.interrupt(), Some(0));
}

/// `boxbridge status --watch` with its output in a pipe.
struct Watching {
    process: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watching {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Watching {
        let mut command = Command::new(BINARY);
        command
            .args(["status", "--url", &format!("http://{}", gateway.admin)])
            .args(arguments)
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Watching { process, lines }
    }

    /// The next line with this beginning; panics if it is not among the next hundred.
    fn next(&mut self, start: &str) -> String {
        let mut lines = self
            .lines
            .by_ref()
            .take(100)
            .map(Result::unwrap)
            .inspect(|line| assert!(!line.contains('\x1b'), "{line:?}"));
        lines
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no line begins with {start:?}"))
    }

    fn interrupt(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", "kill -s INT \"$0\"", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.process.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn watched_on_a_terminal_it_stays_in_place_and_leaves_it_clean() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for (no_color, is_coloured) in [("", true), ("1", false)] {
        let command = format!(
            "timeout --foreground -s INT 2.5 {BINARY} status --watch 1 --url http://{}",
            gateway.admin
        );
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color)
            .stdin(Stdio::null());
        let mut child = script.stdout(Stdio::piped()).spawn().unwrap();
        let mut seen = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut seen)
            .unwrap();
        child.wait().unwrap();
        assert!(seen.starts_with("\x1b[?1049h"), "{seen:?}");
        assert!(
            seen.trim_end().ends_with("\x1b[?25h\x1b[?1049l"),
            "{seen:?}"
        );
        // Each line is wiped before it is written: wiping behind one that is full would take its last letter.
        assert!(
            seen.matches("\x1b[1;1H\x1b[2Kboxbridge").count() >= 2 && !seen.contains("\x1b[K"),
            "{seen:?}"
        );
        assert_eq!(seen.contains("\x1b[32mready"), is_coloured, "{seen:?}");
    }
}
