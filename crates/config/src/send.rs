//! The checked settings of the destinations.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::tls::{self, Tls};
use super::{Field, Secret, Template, store};

#[derive(Clone, Debug)]
pub struct Send {
    pub window_records: usize,
    pub window_bytes: usize,
    pub retry_max: Duration,
    pub stall_timeout: Duration,
    pub store: Store,
    /// `None` = off, as for Kafka; one of the two is on.
    pub mqtt: Option<Mqtt>,
    pub kafka: Option<Kafka>,
}

#[derive(Clone, Debug)]
pub struct Store {
    pub url: StoreUrl,
    pub public_url: Option<String>,
    pub concurrency: usize,
    pub timeout: Duration,
    pub keep: Duration,
    pub max_bytes: u64,
}

#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// An absolute path, or below `data_dir`.
    File(PathBuf),
    S3(Bucket),
}

#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: String,
    /// Without slashes at its ends; may be empty.
    pub prefix: String,
    pub endpoint: Option<String>,
    pub region: String,
    pub virtual_host: bool,
    /// `None` = what the environment says, or the machine's role.
    pub credentials: Option<(String, Secret)>,
    /// Names and values of the AWS tools: who we are, unless `credentials` say it.
    pub environment: Vec<(String, Secret)>,
    pub ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Mqtt {
    /// `None` = the broker in this process.
    pub broker: Option<Broker>,
    pub embedded: Embedded,
    pub version: MqttVersion,
    /// `None` = `boxbridge-<instance>`.
    pub client_id: Option<String>,
    pub username: Option<String>,
    pub password: Secret,
    pub tls: Tls,
    pub keep_alive: Duration,
    pub max_packet_bytes: usize,
    pub status_topic: Option<Template>,
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
}

#[derive(Clone, Debug)]
pub struct Kafka {
    /// `host:port,host:port`.
    pub brokers: String,
    pub create_topics: bool,
    pub partitions: i32,
    /// −1 = the brokers' default.
    pub replication: i32,
    pub encrypted: bool,
    pub sasl: Option<Sasl>,
    pub tls: Tls,
    pub max_message_bytes: usize,
    pub linger: Duration,
    pub compression: String,
}

#[derive(Clone, Debug)]
pub struct Sasl {
    pub mechanism: String,
    pub username: String,
    pub password: Secret,
}

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

pub(super) fn read(read: &mut Reader) -> Send {
    Send {
        window_records: read.count("send.window_records", 1, 60_000),
        window_bytes: read.bytes("send.window_bytes", 64 * KIB, 1 << 30),
        retry_max: read.duration("send.retry_max", Duration::from_millis(100), 600 * SECOND),
        stall_timeout: read.duration("send.stall_timeout", SECOND, 600 * SECOND),
        store: store::read(read),
        mqtt: mqtt(read),
        kafka: kafka(read),
    }
}

fn mqtt(read: &mut Reader) -> Option<Mqtt> {
    let url = read.optional("send.mqtt.url")?;
    let broker = match url.as_str() {
        "embedded" => None,
        _ => Some(read.parsed("send.mqtt.url", Broker::nowhere(), Broker::parse)),
    };
    Some(Mqtt {
        broker,
        embedded: Embedded {
            listen: read.address("send.mqtt.embedded.listen"),
            websocket: read.optional("send.mqtt.embedded.websocket").map(|_| read.address("send.mqtt.embedded.websocket")),
        },
        version: read.word("send.mqtt.version", &[("5", MqttVersion::V5), ("3", MqttVersion::V3)]),
        client_id: read.optional("send.mqtt.client_id"),
        username: read.optional("send.mqtt.username"),
        password: read.secret("send.mqtt.password"),
        tls: tls::read(read, "send.mqtt"),
        keep_alive: read.duration("send.mqtt.keep_alive", 5 * SECOND, 3_600 * SECOND),
        max_packet_bytes: read.bytes("send.mqtt.max_packet_bytes", KIB, 256 * MIB),
        status_topic: read.template("send.mqtt.status_topic", |text| Template::mqtt_topic(text, &[Field::Site, Field::Gateway])),
    })
}

impl Broker {
    /// `mqtt://host[:port]`, `mqtts://…`, `ws://host[:port][/path]`, `wss://…`.
    pub fn parse(url: &str) -> Result<Broker, String> {
        let allowed = || "must be embedded, or mqtt:// mqtts:// ws:// wss:// with a host and maybe a port".to_owned();
        if url.contains('@') {
            return Err("must not hold a user or password: send.mqtt.username and BOXBRIDGE_SEND__MQTT__PASSWORD do".to_owned());
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(allowed)?;
        let (transport, default_port) = match scheme {
            "mqtt" => (MqttTransport::Tcp, 1883),
            "mqtts" => (MqttTransport::Tls, 8883),
            "ws" => (MqttTransport::WebSocket, 80),
            "wss" => (MqttTransport::WebSocketTls, 443),
            _ => return Err(allowed()),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, "/mqtt".to_owned()), |(host, path)| (host, format!("/{path}")));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, port.parse().map_err(|_| allowed())?),
            _ => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(allowed());
        }
        Ok(Broker { transport, host: host.to_owned(), port, path })
    }

    fn nowhere() -> Broker {
        Broker { transport: MqttTransport::Tcp, host: String::new(), port: 0, path: String::new() }
    }
}

fn kafka(read: &mut Reader) -> Option<Kafka> {
    let brokers = read.optional("send.kafka.brokers")?;
    if brokers.split(',').any(|broker| !is_broker(broker.trim())) {
        read.problem(
            "send.kafka.brokers",
            "must be host:port,host:port without a scheme, a user or a path; TLS is send.kafka.security",
        );
    }
    let (encrypted, authenticated) = read.word(
        "send.kafka.security",
        &[("plaintext", (false, false)), ("ssl", (true, false)), ("sasl_plaintext", (false, true)), ("sasl_ssl", (true, true))],
    );
    let mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
    let sasl = Sasl {
        mechanism: read.word("send.kafka.sasl_mechanism", &mechanisms.map(|word| (word, word))).to_owned(),
        username: read.text("send.kafka.username"),
        password: read.secret("send.kafka.password"),
    };
    let is_incomplete = sasl.username.is_empty() || sasl.password.is_empty();
    if authenticated && is_incomplete && read.are_good(&["send.kafka.username", "send.kafka.password"]) {
        read.problem("send.kafka.security", "needs send.kafka.username and a password (environment) or password_file");
    }
    let compressions = ["none", "gzip", "snappy", "lz4"];
    Some(Kafka {
        brokers,
        create_topics: read.word("send.kafka.create_topics", &[("missing", true), ("never", false)]),
        partitions: i32::try_from(read.whole("send.kafka.partitions", 1, 10_000)).unwrap_or(1),
        replication: i32::try_from(read.whole("send.kafka.replication", -1, 100)).unwrap_or(-1),
        encrypted,
        sasl: authenticated.then_some(sasl),
        tls: tls::read(read, "send.kafka"),
        max_message_bytes: read.bytes("send.kafka.max_message_bytes", KIB, 256 * MIB),
        linger: read.duration("send.kafka.linger", Duration::ZERO, SECOND),
        compression: read.word("send.kafka.compression", &compressions.map(|word| (word, word))).to_owned(),
    })
}

/// `host`, `host:port`, `1.2.3.4:9092`, `[::1]:9092`.
fn is_broker(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c)),
    };
    is_port && is_host
}

pub(super) fn warnings(send: &Send) -> Vec<String> {
    let mut warnings = Vec::new();
    if let StoreUrl::S3(Bucket { endpoint: Some(endpoint), .. }) = &send.store.url
        && endpoint.starts_with("http://")
    {
        warnings.push(format!("send.store.endpoint {endpoint} is not encrypted: pictures cross the network in the clear"));
    }
    if let (Some(url), StoreUrl::S3(bucket)) = (&send.store.public_url, &send.store.url)
        && !bucket.prefix.is_empty()
        && url.ends_with(&format!("/{}", bucket.prefix))
    {
        warnings.push(format!(
            "send.store.public_url {url} ends in the prefix of send.store.url, which begins every key: links hold it twice"
        ));
    }
    if let Some(mqtt) = &send.mqtt
        && mqtt.broker.is_none()
    {
        warnings.push(
            "the MQTT broker in this process keeps nothing on disk: \"delivered\" means handed to the subscribers of that moment"
                .to_owned(),
        );
        if !mqtt.embedded.listen.ip().is_loopback() {
            warnings
                .push(format!("send.mqtt.embedded.listen {}: anyone who reaches it may read every event", mqtt.embedded.listen));
        }
    }
    warnings
}
