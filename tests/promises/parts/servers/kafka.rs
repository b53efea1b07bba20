//! A real Apache Kafka: one KRaft node, on ports that stay its own over a restart, and a consumer to look into it.
//!
//! A broker takes about 5 CPU seconds to start, so tests share one ([`Broker::shared`]) under topic names of their own; only those
//! that kill or freeze it, or need TLS and passwords, start another.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::parts::authority;
use crate::parts::child::{Child, free_port, installed, listens};
use crate::parts::thin_line;

pub const USER: &str = "boxbridge";
pub const PASSWORD: &str = "a password of the tests";

const WAIT: Duration = Duration::from_secs(60);

/// Who may connect how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// One listener, for anyone.
    None,
    /// Also SASL_PLAINTEXT, SSL and SASL_SSL, for [`USER`] by PLAIN and SCRAM-SHA-512.
    All,
}

pub struct Broker {
    child: Child,
    directory: tempfile::TempDir,
    pub port: u16,
    pub sasl_port: u16,
    pub ssl_port: u16,
    pub sasl_ssl_port: u16,
}

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub partition: i32,
    pub key: String,
    pub payload: Vec<u8>,
    pub timestamp: i64,
    pub headers: BTreeMap<String, String>,
}

impl Broker {
    /// The one that all tests of this process may use, and none may stop.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Broker::start(Security::None))
    }

    /// The one with TLS and passwords, shared as well.
    pub fn secured() -> &'static Broker {
        static SECURED: OnceLock<Broker> = OnceLock::new();
        SECURED.get_or_init(|| Broker::start(Security::All))
    }

    pub fn start(security: Security) -> Broker {
        Broker::start_with(security, None).0
    }

    /// Reached by this address over a line that carries so many bytes a second.
    pub fn behind_a_thin_line(bytes_per_second: u64) -> (Broker, SocketAddr) {
        let (broker, line) = Broker::start_with(Security::None, Some(bytes_per_second));
        (broker, line.unwrap())
    }

    fn start_with(
        security: Security,
        bytes_per_second: Option<u64>,
    ) -> (Broker, Option<SocketAddr>) {
        let directory = tempfile::tempdir().unwrap();
        let [port, controller, sasl_port, ssl_port, sasl_ssl_port] =
            std::array::from_fn(|_| free_port());
        let mut settings = settings(directory.path(), port, controller);
        let line =
            bytes_per_second.map(|rate| thin_line::to((Ipv4Addr::LOCALHOST, port).into(), rate));
        if let Some(line) = line {
            // Clients go where the broker says that it is.
            settings.insert(
                "advertised.listeners".to_owned(),
                format!("PLAINTEXT://{line}"),
            );
        }
        if security == Security::All {
            authority::make(directory.path());
            secure(
                &mut settings,
                directory.path(),
                [port, controller, sasl_port, ssl_port, sasl_ssl_port],
            );
        }
        let properties: String = settings
            .iter()
            .fold(String::new(), |mut text, (key, value)| {
                writeln!(text, "{key}={value}").unwrap();
                text
            });
        std::fs::write(directory.path().join("server.properties"), properties).unwrap();
        format(directory.path(), security);
        let child = Child::start(
            &java(directory.path(), "kafka.Kafka"),
            &directory.path().join("log"),
        );
        let mut broker = Broker {
            child,
            directory,
            port,
            sasl_port,
            ssl_port,
            sasl_ssl_port,
        };
        broker.wait();
        (broker, line)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority that signed the broker's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Starts it again after [`Broker::kill`], with its data on the same ports; [`Broker::wait`] waits until it answers.
    pub fn start_again(&mut self) {
        self.child = Child::start(
            &java(self.directory.path(), "kafka.Kafka"),
            &self.directory.path().join("log"),
        );
    }

    /// It accepts connections and answers nothing, until [`Broker::resume`].
    pub fn pause(&mut self) {
        self.child.pause();
    }

    pub fn resume(&self) {
        self.child.resume();
    }

    /// Waits until it answers a client.
    pub fn wait(&mut self) {
        let (port, address) = (self.port, self.address());
        self.child
            .wait_until("Kafka", WAIT, || listens(port) && answers(&address));
    }

    /// Makes a topic with settings such as `max.message.bytes`.
    pub async fn make_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let topic = settings.iter().fold(
            NewTopic::new(name, partitions, TopicReplication::Fixed(1)),
            |topic, (key, value)| topic.set(key, value),
        );
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        for result in admin.create_topics([&topic], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// Changes one setting of a topic, and resets its others.
    pub async fn set_topic(&self, name: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let settings = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        for result in admin.alter_configs([&settings], &options).await.unwrap() {
            result.unwrap();
        }
    }

    pub async fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        for result in admin.delete_topics(&[name], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// The partitions of a topic; `None` where there is no such topic.
    pub fn partitions(&self, topic: &str) -> Option<usize> {
        partitions(&consumer(&self.address()), topic)
    }

    /// Reads a topic from its beginning until there are `count` messages; panics if they do not come.
    pub async fn read(&self, topic: &str, count: usize) -> Vec<Received> {
        self.read_until(topic, &format!("{count} messages"), move |messages| {
            messages.len() >= count
        })
        .await
    }

    /// Reads a topic from its beginning until `enough` says so; panics if that does not come. Messages of one partition are in order.
    pub async fn read_until(
        &self,
        topic: &str,
        what: &str,
        enough: impl Fn(&[Received]) -> bool + Send + 'static,
    ) -> Vec<Received> {
        let (address, topic, what) = (self.address(), topic.to_owned(), what.to_owned());
        tokio::task::spawn_blocking(move || read_until(&address, &topic, &what, enough))
            .await
            .unwrap()
    }
}

fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("allow.auto.create.topics", "false")
        .set("log_level", "2");
    config
}

fn consumer(address: &str) -> BaseConsumer {
    client(address)
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

fn answers(address: &str) -> bool {
    consumer(address)
        .fetch_metadata(None, Duration::from_secs(2))
        .is_ok_and(|metadata| !metadata.brokers().is_empty())
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Option<usize> {
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
    let topic = metadata
        .topics()
        .first()
        .filter(|topic| topic.error().is_none())?;
    Some(topic.partitions().len()).filter(|count| *count > 0)
}

fn read_until(
    address: &str,
    topic: &str,
    what: &str,
    enough: impl Fn(&[Received]) -> bool,
) -> Vec<Received> {
    let deadline = Instant::now() + WAIT;
    let consumer = consumer(address);
    let mut count = None;
    while count.is_none() {
        assert!(Instant::now() < deadline, "topic {topic} is not there");
        count = partitions(&consumer, topic);
    }
    let mut assignment = TopicPartitionList::new();
    for partition in 0..count.unwrap() {
        assignment
            .add_partition_offset(topic, partition as i32, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut messages = Vec::new();
    while !enough(&messages) {
        assert!(
            Instant::now() < deadline,
            "topic {topic}: {what} did not come, only {}",
            messages.len()
        );
        // A broker that restarts is an error here and no more.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            messages.push(received(&message));
        }
    }
    messages
}

fn received(message: &impl Message) -> Received {
    let headers = message.headers().map_or_else(BTreeMap::new, |headers| {
        let text =
            |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
        headers
            .iter()
            .map(|header| (header.key.to_owned(), text(header.value)))
            .collect()
    });
    Received {
        partition: message.partition(),
        key: String::from_utf8(message.key().unwrap_or_default().to_vec()).unwrap(),
        payload: message.payload().unwrap_or_default().to_vec(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        headers,
    }
}

fn settings(directory: &Path, port: u16, controller: u16) -> BTreeMap<String, String> {
    let quorum = format!("1@127.0.0.1:{controller}");
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let data = directory.join("data").display().to_string();
    let pairs: [(&str, &str); 26] = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.voters", &quorum),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", &listeners),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("log.dirs", &data),
        ("num.partitions", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("log.cleaner.dedupe.buffer.size", "4194304"),
        ("log.cleaner.threads", "1"),
        // These four: a broker that was killed is let in again after 6 s instead of 15.
        ("broker.session.timeout.ms", "1500"),
        ("broker.heartbeat.interval.ms", "300"),
        ("controller.quorum.election.timeout.ms", "300"),
        ("controller.quorum.fetch.timeout.ms", "1000"),
        ("num.network.threads", "2"),
        ("num.io.threads", "4"),
        // As in the field: a client that asks for a missing topic may make it by asking.
        ("auto.create.topics.enable", "true"),
        ("log.segment.bytes", "16777216"),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn secure(
    settings: &mut BTreeMap<String, String>,
    directory: &Path,
    [port, controller, sasl, ssl, sasl_ssl]: [u16; 5],
) {
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"{USER}\" password=\"{PASSWORD}\" user_{USER}=\"{PASSWORD}\";"
    );
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned();
    let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);
    set(
        "listeners",
        format!(
            "PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SASL_PLAINTEXT://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl},SASL_SSL://127.0.0.1:{sasl_ssl}"
        ),
    );
    set(
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL".to_owned(),
    );
    set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-512".to_owned());
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        set(
            &format!("listener.name.{listener}.plain.sasl.jaas.config"),
            plain.clone(),
        );
        set(
            &format!("listener.name.{listener}.scram-sha-512.sasl.jaas.config"),
            scram.clone(),
        );
    }
    set("ssl.keystore.type", "PEM".to_owned());
    set(
        "ssl.keystore.location",
        directory.join("keystore.pem").display().to_string(),
    );
}

fn format(directory: &Path, security: Security) {
    let mut command = java(directory, "kafka.tools.StorageTool");
    command
        .args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
        .arg(directory.join("server.properties"));
    if security == Security::All {
        command.args([
            "--add-scram",
            &format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
        ]);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "kafka format: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A class of Kafka's; `kafka.Kafka` gets its settings file.
fn java(directory: &Path, class: &str) -> Command {
    let mut command = Command::new("java");
    // The class path is relative, for the shared class archive, which knows it by its words.
    command.current_dir(installed("kafka-4.4.0")).args([
        "-Xms64m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
    ]);
    command.args([
        "-Xshare:auto",
        "-XX:SharedArchiveFile=kafka.jsa",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        "libs/*",
        class,
    ]);
    if class == "kafka.Kafka" {
        command.arg(directory.join("server.properties"));
    }
    command
}
