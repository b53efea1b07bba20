//! `boxbridge tap`: events as they come, from the running gateway's `/api/events/live`.
//!
//! Promises: changes nothing, and holds nothing back: a terminal that does not keep up is told so and ends. Ends with Ctrl-C, or when
//! nobody reads its output.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::commands::kept::{self, number};
use crate::commands::operator::{self, Client, Whom, encoded, next_piece, refuse};
use crate::commands::{EXIT_UNAVAILABLE, Reader, complain, person_type, say};
use crate::gateway::kept::harmless;
use boxbridge_config::{Config, Problems};
use boxbridge_event::{PersonType, Size};

#[derive(Args)]
#[command(
    after_help = "Shows names and where faces lie: what the gateway sends to consumers. Exit code: 0 ended by Ctrl-C or by its reader, 1 it fell too far behind, 69 no gateway answers or it went away.

Examples:
  boxbridge tap                                       the last 100 events, then each as it comes
  boxbridge tap --person-type blacklist
  boxbridge tap --device 192.168.1.243 --json | jq .match.score
  boxbridge tap --destination kafka                   what leaves for it from now on, with topic and key
  boxbridge tap --destination mqtt --json | jq -r .topic"
)]
pub struct Options {
    /// Only this person type
    #[arg(long, value_name = "WORD", value_parser = person_type)]
    person_type: Option<PersonType>,
    /// Only the device with this id
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// What leaves for this destination from now on, as its messages
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Print one JSON object a line, as consumers get it; with --destination the message: topic, key, payload
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

/// More than any event: an answer that goes on without an end is none.
const EVENT_MAX: usize = 64 << 20;

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    operator::run(async {
        let gateway = match operator::running(&options.gateway, config).await {
            Ok(gateway) => gateway,
            Err(code) => return code,
        };
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return ExitCode::FAILURE;
        };

        tokio::select! {
            code = tap(options, &gateway) => code,
            _ = interrupt.recv() => ExitCode::SUCCESS,
            _ = terminate.recv() => ExitCode::SUCCESS,
        }
    })
}

async fn tap(options: &Options, gateway: &Client) -> ExitCode {
    let mut answer = match gateway.open(&options.path()).await {
        Ok(answer) => answer,
        Err(complaint) => return refuse(&complaint),
    };

    let mut unread = Vec::new();
    while let Some(piece) = next_piece(&mut answer).await
        && unread.len() < EVENT_MAX
    {
        unread.extend_from_slice(&piece);
        while let Some(end) = memchr::memmem::find(&unread, b"\n\n") {
            let block: Vec<u8> = unread.drain(..end + 2).collect();
            match options.show(&String::from_utf8_lossy(&block)) {
                Shown::On => {}
                Shown::End(code) => return code,
            }
        }
    }
    complain("the gateway went away");
    ExitCode::from(EXIT_UNAVAILABLE)
}

enum Shown {
    On,
    End(ExitCode),
}

impl Options {
    fn path(&self) -> String {
        let person_type = self.person_type.map(|word| format!("person_type={word}"));
        let device = self
            .device
            .as_ref()
            .map(|id| format!("device={}", encoded(id)));
        let destination = self.destination.as_ref();
        let destination = destination.map(|name| format!("destination={}", encoded(name)));
        let asked: Vec<_> = [person_type, device, destination]
            .into_iter()
            .flatten()
            .collect();
        format!("/api/events/live?{}", asked.join("&"))
    }

    /// One block of the stream: its kind and its data, or a remark.
    fn show(&self, block: &str) -> Shown {
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        let data: Value = field("data")
            .and_then(|data| serde_json::from_str(data).ok())
            .unwrap_or_default();

        match field("event") {
            Some("event") => self.show_event(&data, field("data").unwrap_or_default()),
            Some("dropped") => {
                let why = data.get("message").and_then(Value::as_str);
                let why = why.unwrap_or("the gateway ended it");
                complain(why);
                Shown::End(ExitCode::FAILURE)
            }
            _ => Shown::On,
        }
    }

    fn show_event(&self, data: &Value, text: &str) -> Shown {
        let member = |name| data.get(name).unwrap_or(&Value::Null);
        let shown = match (&self.destination, self.json) {
            (None, true) => text.to_owned(),
            (None, false) => line(data),
            (Some(_), true) => member("message").to_string(),
            (Some(_), false) => {
                let (event, message) = (line(member("event")), where_to(member("message")));
                format!("{event}\n    → {message}")
            }
        };
        match say(&shown) {
            Reader::There => Shown::On,
            Reader::Gone => Shown::End(ExitCode::SUCCESS),
        }
    }
}

/// When, who, where, how sure, and where the face lies.
fn line(event: &Value) -> String {
    let text = |pointer: &str| {
        let value = event.pointer(pointer).and_then(Value::as_str);
        harmless(value.unwrap_or("-").as_bytes()).replace('\n', " ")
    };
    let score = event.pointer("/match/score").and_then(Value::as_f64);
    let score = score.map_or("-".to_owned(), |score| format!("{score:.2}"));

    let received = text("/received_at").replace('T', " ");
    let (word, device) = (text("/person_type"), text("/device/id"));
    let (name, id) = (text("/identity/name"), text("/id"));
    format!(
        "{received}  {word:<9} {device}  {name}  {score}  {id}  {}",
        face(event)
    )
}

/// Topic and key, or the objects.
fn where_to(message: &Value) -> String {
    let objects = message.get("objects").and_then(Value::as_array);
    if let Some(objects) = objects {
        let object = |object: &Value| {
            let size = Size(number(object, "bytes"));
            format!("{} {size}", kept::text(object, "key"))
        };
        return objects.iter().map(object).collect::<Vec<_>>().join(", ");
    }

    let (topic, size) = (kept::text(message, "topic"), Size(number(message, "bytes")));
    match message.get("key").filter(|key| !key.is_null()) {
        Some(_) => format!("{topic}  key {}  {size}", kept::text(message, "key")),
        None => format!("{topic}  {size}"),
    }
}

/// A link that opens, else where the picture lies.
fn face(event: &Value) -> String {
    let of_kind = |kind: &str| {
        let picture = event.get("pictures")?.get(kind)?;
        let link = picture.get("url").and_then(Value::as_str);
        link.or_else(|| picture.get("uri").and_then(Value::as_str))
    };
    let kinds = ["face", "scene", "registered", "infrared"];
    kinds
        .into_iter()
        .find_map(of_kind)
        .unwrap_or("-")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_when_who_where_and_where_the_face_lies() {
        let event = json!({
            "id": "5f0c", "received_at": "2026-11-22T10:00:00.123Z", "person_type": "vip",
            "identity": {"id": "1", "name": "小明"}, "match": {"score": 0.6231}, "device": {"id": "gate"},
            "pictures": {"face": null, "scene": {"uri": "s3://faces/scene/1.jpg", "url": null}},
        });
        let expected =
            "2026-11-22 10:00:00.123Z  vip       gate  小明  0.62  5f0c  s3://faces/scene/1.jpg";
        assert_eq!(line(&event), expected);
        assert_eq!(
            line(&json!({})),
            "-  -         -  -  -  -  -",
            "anything may be missing"
        );
    }

    #[test]
    fn any_device_can_be_asked_for() {
        let options = Options {
            person_type: Some(PersonType::Vip),
            device: Some("门 1&x=%".to_owned()),
            destination: Some("kafka".to_owned()),
            json: false,
            gateway: Whom::default(),
        };
        assert_eq!(
            options.path(),
            "/api/events/live?person_type=vip&device=%E9%97%A8%201%26x%3D%25&destination=kafka"
        );
    }
}
