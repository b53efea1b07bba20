//! The retained message that says whether this gateway is there: a guard's screen must know when it is blind.
//!
//! It is the last will of one connection, so that the broker itself says "offline" when that connection dies. Promises: a broker that hangs up
//! on it costs two connections, and no alert. Deliberately no event: it never enters the queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use boxbridge_config::{Field, Part, Template};
use boxbridge_event::Timestamp;

use super::Identity;
use super::admission::is_forbidden;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Presence {
    Online,
    Offline,
}

#[derive(Clone, Debug)]
pub(super) struct Status {
    pub topic: String,
    identity: Identity,
}

/// Connections that it may cost one after the other.
const DEATHS_MAX: u32 = 2;
/// A session that starts after this long tries it again, with one connection at stake: somebody may have allowed the topic.
const OFF: Duration = Duration::from_secs(600);

/// Whether the status is sent at all.
#[derive(Debug)]
pub(super) struct Greeting {
    destination: Arc<str>,
    past: Mutex<Past>,
}

#[derive(Debug, Default)]
struct Past {
    /// Connections that died on it since it was last taken.
    deaths: u32,
    off_since: Option<Instant>,
    is_said: bool,
}

impl Greeting {
    pub fn of(destination: &Arc<str>) -> Greeting {
        Greeting {
            destination: Arc::clone(destination),
            past: Mutex::default(),
        }
    }

    /// Whether the next session begins with it.
    pub fn is_on(&self) -> bool {
        self.past(|past| past.off_since.is_none_or(|since| since.elapsed() > OFF))
    }

    /// It was answered.
    pub fn taken(&self) {
        if self.past(|past| std::mem::take(past).is_said) {
            tracing::info!(
                destination.name = &*self.destination,
                "the status message is taken again"
            );
        }
    }

    pub fn cost_a_connection(&self, topic: &str) {
        let is_news = self.past(|past| {
            past.deaths += 1;
            if past.deaths >= DEATHS_MAX {
                past.off_since = Some(Instant::now());
            }
            past.deaths >= DEATHS_MAX && !std::mem::replace(&mut past.is_said, true)
        });
        if is_news {
            tracing::error!(
                destination.name = &*self.destination,
                topic,
                "the connection died on the status message twice: it is switched off, nobody is told whether this gateway is there. \
                 Does the broker allow the topic of send.{}.status_topic? \"\" switches it off for good",
                self.destination
            );
        }
    }

    fn past<R>(&self, look: impl FnOnce(&mut Past) -> R) -> R {
        look(&mut self.past.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    status: Presence,
    site: &'a str,
    gateway: &'a str,
    version: &'a str,
    since: Timestamp,
}

impl Status {
    pub fn new(template: &Template, identity: &Identity) -> Status {
        let level = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            Part::Field(Field::Gateway) => encoded(&identity.gateway),
            // The config allows no third field in this topic.
            Part::Field(_) => encoded(&identity.site),
        };
        Status {
            topic: template.parts.iter().map(level).collect(),
            identity: identity.clone(),
        }
    }

    pub fn payload(&self, status: Presence) -> Vec<u8> {
        let Identity {
            site,
            gateway,
            started,
            ..
        } = &self.identity;
        let payload = Payload {
            status,
            site,
            gateway,
            version: env!("CARGO_PKG_VERSION"),
            since: *started,
        };
        serde_json::to_vec(&payload).unwrap_or_default()
    }
}

/// One level of a topic: what has a meaning there, and what a broker drops the connection for, is percent-encoded.
fn encoded(value: &str) -> String {
    let mut level = String::with_capacity(value.len());
    for c in value.chars() {
        if "%+#/".contains(c) || is_forbidden(c) || (c == '$' && level.is_empty()) {
            let mut bytes = [0; 4];
            level.extend(
                c.encode_utf8(&mut bytes)
                    .bytes()
                    .map(|byte| format!("%{byte:02X}")),
            );
        } else {
            level.push(c);
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateways_name_stays_one_level_of_the_topic() {
        let identity = Identity {
            destination: "mqtt".into(),
            site: "lobby".to_owned(),
            gateway: "a/b#\n".to_owned(),
            instance: String::new(),
            started: Timestamp(0),
        };
        let template = Template::parse(
            "boxbridge/{site}/gateways/{gateway}/status",
            &[Field::Site, Field::Gateway],
        )
        .expect("a template");
        let status = Status::new(&template, &identity);
        assert_eq!(status.topic, "boxbridge/lobby/gateways/a%2Fb%23%0A/status");
        let named = |gateway: &str| {
            Status::new(
                &template,
                &Identity {
                    gateway: gateway.to_owned(),
                    ..identity.clone()
                },
            )
            .topic
        };
        assert_eq!(named("$x$"), "boxbridge/lobby/gateways/%24x$/status");
        assert_eq!(
            named("\u{fffe}"),
            "boxbridge/lobby/gateways/%EF%BF%BE/status"
        );
        let payload = String::from_utf8(status.payload(Presence::Online)).expect("UTF-8");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            payload,
            format!(
                r#"{{"status":"online","site":"lobby","gateway":"a/b#\n","version":"{version}","since":"1970-01-01T00:00:00.000Z"}}"#
            )
        );
    }
}
