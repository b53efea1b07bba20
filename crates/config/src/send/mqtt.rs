//! `[send.<name>]` of kind mqtt: a broker elsewhere, or for the one called `mqtt` ours in this process.

use std::net::SocketAddr;
use std::time::Duration;

use super::tls::{self, Tls};
use super::users::BrokerUsers;
use crate::layers::environment::variable;
use crate::reader::Reader;
use crate::reader::effect::{DESTINATIONS, LISTENS};
use crate::reader::form::Form;
use crate::reader::units::{KIB, MIB, SECOND};
use crate::values::listener_tls::ListenerTls;
use crate::values::secret::Secret;
use crate::values::template::{Field, Template};

#[derive(Clone, Debug)]
pub struct Mqtt {
    /// `None` = the broker in this process, which only the destination called `mqtt` can be.
    pub broker: Option<Broker>,
    pub embedded: Embedded,
    /// The Kafka destination whose topics it gets its events out of; `None` = the queue.
    pub from: Option<String>,
    pub version: MqttVersion,
    /// `None` = `boxbridge-<instance>`, and behind it the name where it is not `mqtt`.
    pub client_id: Option<String>,
    pub username: Option<String>,
    pub password: Secret,
    pub tls: Tls,
    pub keep_alive: Duration,
    pub max_packet_bytes: usize,
    pub status_topic: Option<Template>,
    /// Home Assistant's; `None` = it is told nothing.
    pub discovery_prefix: Option<Template>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub transport: MqttTransport,
    pub host: String,
    pub port: u16,
    /// Of a WebSocket; `/mqtt` where the URL has none.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttTransport {
    Tcp,
    Tls,
    WebSocket,
    WebSocketTls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    V3,
    V5,
}

#[derive(Clone, Debug)]
pub struct Embedded {
    pub listen: SocketAddr,
    pub websocket: Option<SocketAddr>,
    /// Who may subscribe; `None` = anyone.
    pub users: Option<BrokerUsers>,
    /// `None`: neither speaks TLS.
    pub tls: Option<Box<ListenerTls>>,
}

/// Where a device's status is retained, at every broker. Part of the contract with consumers, so no setting.
pub const DEVICE_STATUS_TOPIC: &str = "boxbridge/{site}/devices/{device.id}/status";

/// Where Home Assistant is told of a site's alerts, behind its prefix. It takes the first level for the kind of the entity.
const DISCOVERY_TOPICS: [&str; 3] = [
    "sensor/boxbridge-{site}/alert/config",
    "sensor/boxbridge-{site}/person/config",
    "image/boxbridge-{site}/face/config",
];

/// What `from` says where no Kafka destination is meant.
const QUEUE: &str = "queue";

/// Only this section can mean the broker in this process.
const EMBEDDABLE: &str = "send.mqtt";
const LISTEN: &str = "send.mqtt.embedded.listen";
const WEBSOCKET: &str = "send.mqtt.embedded.websocket";
const USERS_FILE: &str = "send.mqtt.embedded.users_file";

impl Mqtt {
    /// `None` = off.
    pub(crate) fn read(read: &mut Reader, section: &str) -> Option<Mqtt> {
        let key = |name: &str| format!("{section}.{name}");
        let url = read.live().optional(&key("url"))?;
        let broker = match url.as_str() {
            "embedded" if section == EMBEDDABLE => None,
            _ => Some(Broker::read(read, section)),
        };
        let versions = [("5", MqttVersion::V5), ("3", MqttVersion::V3)];
        let status_fields = [Field::Site, Field::Gateway];

        Some(Mqtt {
            broker,
            embedded: Embedded::read(read),
            from: from(read, &key("from")),
            version: read.live().word(&key("version"), &versions),
            client_id: read.live().optional(&key("client_id")),
            username: read.live().optional(&key("username")),
            password: read.live().secret(&key("password")),
            tls: tls::read(read, section),
            keep_alive: read
                .live()
                .duration(&key("keep_alive"), 5 * SECOND, 3_600 * SECOND),
            max_packet_bytes: read.live().bytes(&key("max_packet_bytes"), KIB, 256 * MIB),
            status_topic: read.live().template(
                &key("status_topic"),
                &status_fields,
                Template::mqtt_topic,
            ),
            discovery_prefix: read.live().template(
                &key("discovery_prefix"),
                &[],
                Template::mqtt_topic,
            ),
        })
    }

    /// Where Home Assistant is told of the last alert, its person and the face; none where it is told nothing.
    pub fn discovery_topics(&self) -> Vec<Template> {
        let Some(prefix) = &self.discovery_prefix else {
            return Vec::new();
        };
        let topics = DISCOVERY_TOPICS.iter().map(|topic| {
            let topic = Template::parse(&format!("{prefix}/{topic}"), &[Field::Site]);
            topic.unwrap_or_else(|_| unreachable!("a prefix has no fields"))
        });
        topics.collect()
    }

    pub(crate) fn warnings(&self, section: &str) -> Vec<String> {
        if self.broker.is_some() {
            return Vec::from_iter(self.cannot_hear_refusals(section));
        }

        let mut warnings = vec![
            "the MQTT broker in this process keeps nothing on disk: \"delivered\" means handed to the subscribers of that moment"
                .to_owned(),
        ];
        if let Some((key, address)) = self.embedded.open_to_others() {
            warnings.push(match self.embedded.users {
                None => format!("{key} {address}: anyone who reaches it may read every event"),
                Some(_) => {
                    format!("{key} {address}: passwords and events cross the network in the clear")
                }
            });
        }
        warnings
    }

    /// What is open to others has users, or is meant to be open: `insecure`.
    pub(crate) fn check(&self, read: &mut Reader, insecure: bool) {
        let is_closed = self.broker.is_some() || self.embedded.users.is_some() || insecure;
        let open = self.embedded.open_to_others();
        if let Some((key, address)) = open.filter(|_| !is_closed) {
            let problem = format!(
                "{key} ({address}): anyone who reaches it could read every event; {USERS_FILE} says who may, or ingest.insecure = true that this is meant"
            );
            read.joint(&[key, USERS_FILE], problem);
        }
    }
}

impl Mqtt {
    /// A broker whose ACL denies a publication acknowledges it and drops it: the protocol has no other answer but to hang up.
    fn cannot_hear_refusals(&self, section: &str) -> Option<String> {
        let warning = format!(
            "{section}.version = 3: such a broker cannot say that it refused an event, \"delivered\" may mean dropped; with 5 it can"
        );
        (self.version == MqttVersion::V3).then_some(warning)
    }
}

fn from(read: &mut Reader, key: &str) -> Option<String> {
    let name = read.by_restart(DESTINATIONS).text(key);
    Some(name).filter(|name| name != QUEUE)
}

impl Embedded {
    fn read(read: &mut Reader) -> Embedded {
        let users = read.live().file(USERS_FILE);
        let users = users.map(|file| {
            BrokerUsers::read(&file).unwrap_or_else(|problem| {
                read.lines(USERS_FILE, problem);
                BrokerUsers::default()
            })
        });

        Embedded {
            listen: read.by_restart(LISTENS).address(LISTEN),
            websocket: read.by_restart(LISTENS).optional_address(WEBSOCKET),
            users,
            tls: read.listener_tls("send.mqtt.embedded").map(Box::new),
        }
    }

    /// The first of its ports that is not for this machine alone, by the setting that names it.
    fn open_to_others(&self) -> Option<(&'static str, SocketAddr)> {
        let ports = [(LISTEN, Some(self.listen)), (WEBSOCKET, self.websocket)];
        let mut ports = ports.into_iter().filter_map(|(key, it)| Some((key, it?)));
        ports.find(|(_, address)| !address.ip().is_loopback())
    }
}

impl Broker {
    fn read(read: &mut Reader, section: &str) -> Broker {
        let parse = |url: &str| Broker::written_in(section, url);
        let key = format!("{section}.url");
        read.live()
            .parsed(&key, Form::Text, Broker::nowhere(), parse)
    }

    /// `mqtt://host[:port]`, `mqtts://…`, `ws://host[:port][/path]`, `wss://…`.
    pub fn parse(url: &str) -> Result<Broker, String> {
        Broker::written_in(EMBEDDABLE, url)
    }

    fn written_in(section: &str, url: &str) -> Result<Broker, String> {
        if url.contains('@') {
            let password = variable(&format!("{section}.password"));
            return Err(format!(
                "must not hold a user or password: {section}.username and {section}.password_file, or {password}, do"
            ));
        }

        let broker = Broker::of_parts(url).filter(|broker| {
            let is_odd = |c: char| c.is_whitespace() || c.is_control();
            !broker.host.is_empty() && !url.contains(is_odd)
        });
        let allowed = match section {
            EMBEDDABLE => {
                "must be embedded, or mqtt:// mqtts:// ws:// wss:// with a host and maybe a port"
            }
            _ => {
                "must be mqtt:// mqtts:// ws:// wss:// with a host and maybe a port; embedded is for send.mqtt alone"
            }
        };
        broker.ok_or_else(|| allowed.to_owned())
    }

    fn of_parts(url: &str) -> Option<Broker> {
        let (scheme, rest) = url.split_once("://")?;
        let (transport, default_port) = match scheme {
            "mqtt" => (MqttTransport::Tcp, 1883),
            "mqtts" => (MqttTransport::Tls, 8883),
            "ws" => (MqttTransport::WebSocket, 80),
            "wss" => (MqttTransport::WebSocketTls, 443),
            _ => return None,
        };

        let (authority, path) = rest.split_once('/').unwrap_or((rest, "mqtt"));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
                (host, port.parse().ok()?)
            }
            _ => (authority, default_port),
        };

        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Broker {
            transport,
            host: host.to_owned(),
            port,
            path: format!("/{path}"),
        })
    }

    fn nowhere() -> Broker {
        Broker {
            transport: MqttTransport::Tcp,
            host: String::new(),
            port: 0,
            path: String::new(),
        }
    }
}
