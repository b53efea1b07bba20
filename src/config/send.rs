//! The checked settings of the destinations.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::{Field, Secret, Template};

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
    /// `None` = from the AWS_* environment or the machine's role.
    pub credentials: Option<(String, Secret)>,
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

/// PEM files; all `None` = the system's authorities and no certificate of our own.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
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
const DAY: Duration = Duration::from_secs(86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

pub(super) fn read(read: &mut Reader) -> Send {
    Send {
        window_records: read.count("send.window_records", 1, 60_000),
        window_bytes: read.bytes("send.window_bytes", 64 * KIB, 1 << 30),
        retry_max: read.duration("send.retry_max", Duration::from_millis(100), 600 * SECOND),
        stall_timeout: read.duration("send.stall_timeout", SECOND, 600 * SECOND),
        store: store(read),
        mqtt: mqtt(read),
        kafka: kafka(read),
    }
}

fn store(read: &mut Reader) -> Store {
    let url = read.text("send.store.url");
    let url = match url.split_once(':') {
        Some(("file", "")) => StoreUrl::File(PathBuf::from(read.text("data_dir")).join("pictures")),
        Some(("file", path)) if path.starts_with("///") => StoreUrl::File(PathBuf::from(&path[2..])),
        Some(("s3", rest)) if rest.starts_with("//") && rest.len() > 2 => s3(read, &rest[2..]),
        _ => {
            read.problem("send.store.url", "must be file: or file:///path or s3://bucket/prefix");
            StoreUrl::File(PathBuf::new())
        }
    };
    Store {
        url,
        public_url: read.optional("send.store.public_url").map(|url| url.trim_end_matches('/').to_owned()),
        concurrency: read.count("send.store.concurrency", 1, 256),
        timeout: read.duration("send.store.timeout", SECOND, 600 * SECOND),
        keep: read.duration("send.store.keep", 2 * DAY, 36_500 * DAY),
        max_bytes: read.size("send.store.max_bytes", MIB, 1 << 50),
    }
}

fn s3(read: &mut Reader, rest: &str) -> StoreUrl {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let secret = read.secret("send.store.secret_access_key");
    let key_id = read.optional("send.store.access_key_id");
    if key_id.is_some() == secret.is_empty() {
        read.problem(
            "send.store.access_key_id",
            "goes with secret_access_key (environment) or secret_access_key_file: both or neither",
        );
    }
    StoreUrl::S3(Bucket {
        name: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: read.optional("send.store.endpoint"),
        region: read.text("send.store.region"),
        virtual_host: read.switch("send.store.virtual_host"),
        credentials: key_id.map(|id| (id, secret)),
        ca_file: read.path("send.store.ca_file"),
    })
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
        tls: tls(read, "send.mqtt"),
        keep_alive: read.duration("send.mqtt.keep_alive", 5 * SECOND, 3_600 * SECOND),
        max_packet_bytes: read.bytes("send.mqtt.max_packet_bytes", KIB, 256 * MIB),
        status_topic: read.template("send.mqtt.status_topic", |text| Template::mqtt_topic(text, &[Field::Site, Field::Gateway])),
    })
}

impl Broker {
    /// `mqtt://host[:port]`, `mqtts://…`, `ws://host[:port][/path]`, `wss://…`.
    pub fn parse(url: &str) -> Result<Broker, String> {
        let allowed = || "must be embedded, or mqtt:// mqtts:// ws:// wss:// with a host and maybe a port".to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(allowed)?;
        let (transport, default_port) = match scheme {
            "mqtt" => (MqttTransport::Tcp, 1883),
            "mqtts" => (MqttTransport::Tls, 8883),
            "ws" => (MqttTransport::WebSocket, 80),
            "wss" => (MqttTransport::WebSocketTls, 443),
            _ => return Err(allowed()),
        };
        if rest.contains('@') {
            return Err("must not hold a user or password: send.mqtt.username and BOXBRIDGE_SEND__MQTT__PASSWORD do".to_owned());
        }
        let (authority, path) = rest.split_once('/').map_or((rest, "/mqtt".to_owned()), |(host, path)| (host, format!("/{path}")));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, port.parse().map_err(|_| allowed())?),
            _ => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(allowed());
        }
        Ok(Broker { transport, host: host.to_owned(), port, path })
    }

    fn nowhere() -> Broker {
        Broker { transport: MqttTransport::Tcp, host: String::new(), port: 0, path: String::new() }
    }
}

fn tls(read: &mut Reader, section: &str) -> Tls {
    let tls = Tls {
        ca_file: read.path(&format!("{section}.ca_file")),
        cert_file: read.path(&format!("{section}.cert_file")),
        key_file: read.path(&format!("{section}.key_file")),
    };
    if tls.cert_file.is_some() != tls.key_file.is_some() {
        read.problem(&format!("{section}.cert_file"), "goes with key_file: both or neither");
    }
    for (name, file) in [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)] {
        if let Some(Err(error)) = file.as_ref().map(std::fs::File::open) {
            read.problem(&format!("{section}.{name}"), format!("cannot read it: {error}"));
        }
    }
    tls
}

fn kafka(read: &mut Reader) -> Option<Kafka> {
    let brokers = read.optional("send.kafka.brokers")?;
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
    if authenticated && (sasl.username.is_empty() || sasl.password.is_empty()) {
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
        tls: tls(read, "send.kafka"),
        max_message_bytes: read.bytes("send.kafka.max_message_bytes", KIB, 256 * MIB),
        linger: read.duration("send.kafka.linger", Duration::ZERO, SECOND),
        compression: read.word("send.kafka.compression", &compressions.map(|word| (word, word))).to_owned(),
    })
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
            "the MQTT broker in this process keeps nothing on disk: \"delivered\" means handed to the subscribers connected at that moment"
                .to_owned(),
        );
        if !mqtt.embedded.listen.ip().is_loopback() {
            warnings
                .push(format!("send.mqtt.embedded.listen {}: anyone who reaches it may read every event", mqtt.embedded.listen));
        }
    }
    warnings
}
