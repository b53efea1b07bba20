//! The retained message that says whether this gateway is there: a guard's screen must know when it is blind.
//!
//! It is the last will of one connection, so that the broker itself says "offline" when that connection dies. Promises: a broker that hangs up
//! on it costs two connections, and no alert. Deliberately not an event: it never enters the queue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use boxbridge_config::{Field, Part, Template};
use boxbridge_event::Timestamp;

use super::GatewayIdentity;
use super::publish_check::is_forbidden;

mod devices;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Presence {
    Online,
    Offline,
    /// Nobody is to miss it: the broker forgets the status.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Status {
    pub topic: String,
    identity: GatewayIdentity,
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
        let past = self.past.lock();
        past.off_since.is_none_or(|since| since.elapsed() > OFF)
    }

    /// It was answered.
    pub fn taken(&self) {
        let past = std::mem::take(&mut *self.past.lock());
        if past.is_said {
            tracing::info!(
                destination.name = &*self.destination,
                "the status message is taken again"
            );
        }
    }

    pub fn cost_a_connection(&self, topic: &str) {
        if self.past.lock().is_switched_off_now() {
            tracing::error!(
                destination.name = &*self.destination,
                topic,
                "the connection died on the status message twice: it is switched off, nobody is told whether this gateway is there. \
                 Does the broker allow the topic of send.{}.status_topic? \"\" switches it off for good",
                self.destination
            );
        }
    }
}

impl Past {
    /// One more connection died on it. Whether it is off for that, and nobody was told yet.
    fn is_switched_off_now(&mut self) -> bool {
        self.deaths += 1;
        if self.deaths < DEATHS_MAX {
            return false;
        }

        self.off_since = Some(Instant::now());
        !std::mem::replace(&mut self.is_said, true)
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
    pub fn new(template: &Template, identity: &GatewayIdentity) -> Status {
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

    /// Without a byte, a retained message is one less.
    pub fn payload(&self, status: Presence) -> Vec<u8> {
        if status == Presence::Gone {
            return Vec::new();
        }
        let payload = Payload {
            status,
            site: &self.identity.site,
            gateway: &self.identity.gateway,
            version: env!("CARGO_PKG_VERSION"),
            since: self.identity.started,
        };
        serde_json::to_vec(&payload).unwrap_or_default()
    }
}

/// One level of a topic: characters with a meaning there, or for which a broker drops the connection, are percent-encoded.
fn encoded(value: &str) -> String {
    let mut level = String::with_capacity(value.len());
    for c in value.chars() {
        let is_literal = !("%+#/".contains(c) || is_forbidden(c) || (c == '$' && level.is_empty()));
        if is_literal {
            level.push(c);
            continue;
        }

        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            level.push_str(&format!("%{byte:02X}"));
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(gateway: &str) -> Status {
        let identity = GatewayIdentity {
            destination: "mqtt".into(),
            site: "lobby".to_owned(),
            gateway: gateway.to_owned(),
            instance: String::new(),
            started: Timestamp(0),
        };
        let written = "boxbridge/{site}/gateways/{gateway}/status";
        let template = Template::parse(written, &[Field::Site, Field::Gateway]);
        Status::new(&template.expect("a template"), &identity)
    }

    #[test]
    fn the_gateways_name_stays_one_level_of_the_topic() {
        for (gateway, level) in [
            ("a/b#\n", "a%2Fb%23%0A"),
            ("$x$", "%24x$"),
            ("\u{fffe}", "%EF%BF%BE"),
        ] {
            assert_eq!(
                status(gateway).topic,
                format!("boxbridge/lobby/gateways/{level}/status")
            );
        }
    }

    #[test]
    fn the_message_says_who_is_there_and_since_when() {
        let payload = String::from_utf8(status("a/b#\n").payload(Presence::Online));
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            payload.expect("UTF-8"),
            format!(
                r#"{{"status":"online","site":"lobby","gateway":"a/b#\n","version":"{version}","since":"1970-01-01T00:00:00.000Z"}}"#
            )
        );
    }
}
