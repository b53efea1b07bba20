//! Planted values in everything that a gateway is given and does: they are in nothing that it says of itself.
//!
//! Promises: only who asks for an event as an operator gets what is in it. The log of every other gateway that a test starts is searched as well ([`check_log`]).
//!
//! [`check_log`]: crate::parts::contract::logged::check_log

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::parts::contract::logged::NAME;
use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::http;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::{base64, jpeg, wait_until};

/// In every value that is planted.
const CANARY: &str = "canary";
const TOKEN: &str = "0123456789abcdef-canary-token";
const USER: (&str, &str) = ("gateway", "canary-password");
const VIP: u8 = 5;

/// Files with a secret each: no setting of a gateway has to hold one.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn plant() -> Secrets {
        let secrets = Secrets(tempfile::tempdir().unwrap());
        secrets.write("token", TOKEN);
        secrets.write("password", USER.1);
        for name in ["links", "redact"] {
            secrets.write(name, "canary-0123456789abcdef0123456789abcdef");
        }
        secrets.write("boxbridge.toml", "");
        secrets
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gateway(&self, mosquitto: &Mosquitto) -> Gateway {
        let url = format!("mqtt://{}", mosquitto.address());
        let file = |name| self.path(name).display().to_string();
        let settings = [
            ("CONFIG", file("boxbridge.toml")),
            ("LOG__LEVEL", "trace".to_owned()),
            ("ADMIN__TOKEN_FILE", file("token")),
            ("SEND__MQTT__URL", url),
            ("SEND__MQTT__USERNAME", USER.0.to_owned()),
            ("SEND__MQTT__PASSWORD_FILE", file("password")),
            ("SEND__STORE__LINKS__SECRET_FILE", file("links")),
            ("ROUTE__REDACT_KEY_FILE", file("redact")),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        Gateway::start(&settings.collect::<Vec<_>>())
    }
}

fn person(number: u64) -> Value {
    let mut body = event(&format!("canary-{number}"), json!(VIP), "192.168.1.9");
    body["identity_name"] = json!("canary-name");
    body["card"] = json!("canary-card");
    body["timestamp"] = json!(1_566_016_554_020 + number);
    body["reg_pic"] = base64(&jpeg(number, 2_000));
    body["ext_data"]["info"] = json!({"note": "canary-note", "feature": "canary-embedding"});
    body
}

/// What boxes send, and what comes of it.
fn is_sent(gateway: &Gateway) {
    for path in ["/RealTimeEvent?token=canary-query", "/HistoryEvent"] {
        gateway.take(path, &person(1));
        gateway.take(path, &person(1));
    }
    let gbk = encoding_rs::GBK
        .encode(&person(2).to_string())
        .0
        .into_owned();
    assert_eq!(gateway.post_bytes("/RealTimeEvent", &gbk).status, 200);

    let with_header = person(3).to_string();
    let head = "POST /t/canary-path-0123456789/RealTimeEvent HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer canary-header";
    let request = format!(
        "{head}\r\nContent-Length: {}\r\n\r\n{with_header}",
        with_header.len()
    );
    gateway.raw(request.as_bytes());

    let broken: [(&str, &[u8]); 5] = [
        ("/RealTimeEvent", b"{\"identity_name\": \"canary-name\", "),
        ("/RealTimeEvent", b"{\"canary-key\": \"canary-value\"}"),
        (
            "/HistoryEvent",
            b"[{\"identity_id\": \"canary-identity\", nonsense]",
        ),
        (
            "/DeviceStatus",
            b"{\"media_device\": [\"rtsp://admin:canary@10.0.0.1\"}",
        ),
        (
            "/nowhere/canary-0123456789abcdef",
            b"{\"identity_name\": \"canary-name\"}",
        ),
    ];
    for (path, body) in broken {
        gateway.post_bytes(path, body);
    }
}

/// What an operator does with what boxes sent.
fn is_operated(gateway: &Gateway, secrets: &Secrets) {
    let mut large = person(4);
    large["comment"] = json!(CANARY.repeat(2_000));
    gateway.take("/RealTimeEvent", &large);
    wait_until("it is set aside", || gateway.ledger("mqtt").set_aside == 1);
    let ran: [&[&str]; 9] = [
        &["aside", "list"],
        &["aside", "resend"],
        &["aside", "drop", "--all"],
        &["quarantine", "list"],
        &["quarantine", "resubmit"],
        &["quarantine", "drop", "--all"],
        &[
            "queue",
            "replay",
            "--from",
            "2000-01-01T00:00:00Z",
            "--to",
            "2100-01-01T00:00:00Z",
        ],
        &["queue", "replays"],
        &["trace", "9aae3514-0e54-8b80-9228-eae740333229"],
    ];
    for arguments in ran {
        let (said, _) = gateway.run(arguments);
        is_clean(&arguments.join(" "), &said);
    }

    secrets.write(
        "boxbridge.toml",
        "[send.mqtt]\npassword = \"canary-in-the-file\"\n",
    );
    gateway.signal("HUP");
    let is_refused = || gateway.sum("boxbridge_config_reload_failed", &[]) == 1.0;
    wait_until("a secret in the file is refused", is_refused);
    secrets.write("boxbridge.toml", "[send]\nwindow_records = 500\n");
    gateway.signal("HUP");
    wait_until("the next file is taken", || !is_refused());
    let login = json!({"token": "canary-that-opens-nothing"}).to_string();
    let length = login.len();
    let request = format!(
        "POST /api/login HTTP/1.1\r\nHost: gate\r\nContent-Length: {length}\r\n\r\n{login}"
    );
    let stream = std::net::TcpStream::connect(gateway.admin).unwrap();
    assert_eq!(exchange(stream, request.as_bytes()).unwrap().status, 401);
}

fn is_clean(what: &str, said: &str) {
    let picture = base64(&jpeg(1, 2_000));
    let of_picture = &picture.as_str().unwrap()[100..140];
    for planted in [CANARY, NAME, of_picture] {
        let line = said.lines().find(|line| line.contains(planted));
        assert_eq!(line, None, "{planted} is in {what}");
    }
}

fn told(gateway: &Gateway, path: &str) -> String {
    let token = format!("Bearer {TOKEN}");
    let answer = http::get(gateway.admin, path, &[("Authorization", &token)]);
    answer.text()
}

/// Of a process, as everybody on its machine may see it.
fn of_process(gateway: &Gateway, file: &str) -> String {
    let path = Path::new("/proc").join(gateway.id().to_string()).join(file);
    // A process may be closed to others: then there is nothing to be seen.
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[test]
fn nothing_planted_is_in_anything_that_a_gateway_says_of_itself() {
    let mosquitto = Mosquitto::with(&Settings {
        users: &[USER],
        lines: &["message_size_limit 6000"],
        ..Settings::default()
    });
    let secrets = Secrets::plant();
    let mut gateway = secrets.gateway(&mosquitto);
    is_sent(&gateway);
    is_operated(&gateway, &secrets);

    for path in [
        "/metrics",
        "/readyz",
        "/livez",
        "/api/status",
        "/api/devices",
        "/api/aside",
        "/api/quarantine",
        "/api/replays",
        "/api/events/none",
    ] {
        is_clean(path, &told(&gateway, path));
    }
    for command in [
        &["check"][..],
        &["check", "--print"],
        &["check", "--online"],
        &["status"],
        &["devices"],
        &["queue", "status"],
        &["queue", "inspect"],
    ] {
        is_clean(&command.join(" "), &gateway.run(command).0);
    }
    for file in ["cmdline", "environ", "comm"] {
        is_clean(file, &of_process(&gateway, file));
    }
    assert!(
        told(&gateway, "/api/events").contains("canary-name"),
        "an operator who asks for events gets them"
    );

    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
    assert!(audit.lines().count() >= 4, "{audit}");
    is_clean("the audit log", &audit);
    gateway.kill_and_restart();
    gateway.stop();
    is_clean("the log", &gateway.log());
}
