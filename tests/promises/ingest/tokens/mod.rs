//! Who may send where there are tokens: who shows one, as far as it goes, until it is revoked. And what strangers try.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::parts::PATIENCE;
use crate::parts::gateway::{Answer, Gateway, event, exchange, said};
use crate::parts::http;

mod attacked;
mod bound;
mod commands;
mod revoked;
mod shares;
mod shown;
mod silent;

/// A folder with a tokens file.
pub(super) struct Tokens {
    folder: tempfile::TempDir,
}

impl Tokens {
    pub(super) fn new() -> Tokens {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokens"), "").unwrap();
        Tokens { folder }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    /// `boxbridge token …` on this file.
    fn run(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command.arg("token").args(arguments);
        said(command.arg("--file").arg(self.file()))
    }

    /// A new token.
    pub(super) fn make(&self, arguments: &[&str]) -> String {
        let (said, code) = self.run(&[&["new"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        said.lines().next().unwrap().to_owned()
    }

    fn gateway(&self, more: &[(&str, &str)]) -> Gateway {
        let file = self.file();
        let own = [
            ("INGEST__TOKENS_FILE", file.to_str().unwrap()),
            ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ];
        Gateway::start(&[&own, more].concat())
    }
}

fn sample() -> Value {
    event("1", json!(1), "192.168.1.243")
}

/// The answer to a POST with these lines in its head.
fn post(gateway: &Gateway, target: &str, head: &str, body: &Value) -> Answer {
    post_over(
        TcpStream::connect(gateway.ingest).unwrap(),
        target,
        head,
        body,
    )
}

/// The same over a connection that is there, and stays.
fn post_over(stream: TcpStream, target: &str, head: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: box\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    exchange(stream, request.as_bytes()).expect("an answer")
}

/// Status and code of what a POST of a good event is answered.
fn judged(gateway: &Gateway, target: &str, head: &str) -> (u16, String) {
    let answer = post(gateway, target, head, &sample());
    let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

/// The newest event, as the operator's API has it.
fn newest(gateway: &Gateway) -> Value {
    let answer = http::get(gateway.admin, "/api/events?limit=1", &[]);
    let events: Value = serde_json::from_slice(&answer.body).unwrap();
    events["events"][0].clone()
}

/// Sends a head that announces a body, and nothing of the body; what comes back.
fn head_alone(gateway: &Gateway, target: &str) -> String {
    let mut stream = TcpStream::connect(gateway.ingest).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST {target} HTTP/1.1\r\nHost: box\r\nContent-Length: 200000\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();

    let mut answer = Vec::new();
    let mut reader = std::io::BufReader::new(stream);
    // The head of the answer is enough: the connection may stay for as long as a body is read past.
    while !answer.ends_with(b"\r\n\r\n") {
        let read = std::io::BufRead::read_until(&mut reader, b'\n', &mut answer).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}
