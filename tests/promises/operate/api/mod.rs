//! The operator's API on the admin listener: who is let in, what is written down, what is answered.

use std::net::TcpStream;

use serde_json::Value;

use crate::parts::gateway::{Answer, Gateway, exchange};

mod access;
mod described;
mod events;
mod live;
mod pictures;
mod requests;
mod resume;
mod session;
mod tls;

const TOKEN: &str = "0123456789abcdef-canary";

/// A gateway without a network around it. With these settings more.
fn gateway(settings: &[(&str, &str)]) -> Gateway {
    let mqtt = [("SEND__MQTT__URL", "mqtt://127.0.0.1:9")];
    Gateway::start(&[&mqtt, settings].concat())
}

/// A gateway whose API needs [`TOKEN`]; the folder holds the file and is to live as long.
fn with_token() -> (Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("another-token-of-somebody\n{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    (gateway(&[("ADMIN__TOKEN_FILE", &file)]), folder)
}

/// The answer to a request with these lines in its head.
fn ask(gateway: &Gateway, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let stream = TcpStream::connect(gateway.admin).unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    exchange(stream, request.as_bytes()).unwrap()
}

/// The same as a command on the gateway's own machine asks.
fn local(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    ask(
        gateway,
        method,
        path,
        &format!("Host: {}", gateway.admin),
        &body,
    )
}

fn audited(gateway: &Gateway) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl"));
    let text = text.unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
