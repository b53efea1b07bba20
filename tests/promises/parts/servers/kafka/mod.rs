//! A real Apache Kafka: one KRaft node, on ports that stay its own over a restart, and a consumer to look into it; or three nodes that
//! are one ([`cluster::Cluster`]).
//!
//! A broker takes about 5 CPU seconds to start, so tests share one ([`Broker::shared`]) under topic names of their own; only those
//! that kill or freeze it, or need TLS and passwords ([`Broker::secured`]), start another.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;

use self::consumer::{client, consumer, members, nodes, partitions, read_until};
use self::node::{Node, format, java, settings};
use crate::parts::child::{Child, PATIENCE, listens};
use crate::parts::thin_line;

pub mod cluster;
mod consumer;
mod node;
pub mod produce;
mod rights;
mod ways;

pub use self::consumer::Received;
pub use self::ways::Ways;

pub const USER: &str = "boxbridge";
pub const PASSWORD: &str = "a password of the tests";
/// Has the same password, and no right to anything.
pub const STRANGER: &str = "stranger";

pub struct Broker {
    child: Child,
    directory: tempfile::TempDir,
    pub port: u16,
    ways: Option<Ways>,
}

impl Broker {
    /// The one that all tests of this process may use, and none may stop.
    pub fn shared() -> &'static Broker {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(Broker::start)
    }

    /// The one with [`Ways`] that want a login, shared as well.
    pub fn secured() -> &'static Broker {
        static SECURED: OnceLock<Broker> = OnceLock::new();
        SECURED.get_or_init(|| Broker::start_with(Some(Ways::make()), None).0)
    }

    pub fn start() -> Broker {
        Broker::start_with(None, None).0
    }

    /// Reached by this address over a line that carries so many bytes a second.
    pub fn behind_a_thin_line(bytes_per_second: u64) -> (Broker, SocketAddr) {
        let (broker, line) = Broker::start_with(None, Some(bytes_per_second));
        (broker, line.unwrap())
    }

    fn start_with(
        ways: Option<Ways>,
        bytes_per_second: Option<u64>,
    ) -> (Broker, Option<SocketAddr>) {
        let directory = tempfile::tempdir().unwrap();
        let node = Node::new(1);
        let port = node.port;
        let mut settings = settings(directory.path(), node, &[node]);
        let line =
            bytes_per_second.map(|rate| thin_line::to((Ipv4Addr::LOCALHOST, port).into(), rate));
        if let Some(line) = line {
            // Clients go where the broker says that it is.
            settings.insert(
                "advertised.listeners".to_owned(),
                format!("PLAINTEXT://{line}"),
            );
        }

        if let Some(ways) = &ways {
            ways.add_to(&mut settings, directory.path());
        }

        let mut broker = Broker::launch(directory, &settings, port, ways);
        broker.wait();
        (broker, line)
    }

    /// Its storage is made, and its process started: it does not answer yet.
    fn launch(
        directory: tempfile::TempDir,
        settings: &BTreeMap<String, String>,
        port: u16,
        ways: Option<Ways>,
    ) -> Broker {
        let properties: String = settings
            .iter()
            .fold(String::new(), |mut text, (key, value)| {
                writeln!(text, "{key}={value}").unwrap();
                text
            });
        std::fs::write(directory.path().join("server.properties"), properties).unwrap();
        format(directory.path());

        let child = Child::start(
            &java(directory.path(), "kafka.Kafka"),
            &directory.path().join("log"),
        );
        Broker {
            child,
            directory,
            port,
            ways,
        }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Those of [`Broker::secured`].
    pub fn ways(&self) -> &Ways {
        self.ways.as_ref().expect("a secured broker")
    }

    /// The authority that signed the certificate of most ways.
    pub fn ca_file(&self) -> PathBuf {
        self.ways().certificates.authority()
    }

    /// Lets a user do everything with a topic.
    pub fn allow(&self, user: &str, topic: &str) {
        rights::allow((Ipv4Addr::LOCALHOST, self.port).into(), user, topic);
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
        self.wait_for(1);
    }

    /// Waits until it answers, and knows of so many nodes.
    fn wait_for(&mut self, count: usize) {
        let (port, address) = (self.port, self.address());
        self.child.wait_until("Kafka", PATIENCE, || {
            listens(port) && nodes(&address) >= count
        });
    }

    /// Makes a topic with settings such as `max.message.bytes`.
    pub async fn make_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let topic = settings.iter().fold(
            NewTopic::new(name, partitions, TopicReplication::Fixed(1)),
            |topic, (key, value)| topic.set(key, value),
        );
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in admin.create_topics([&topic], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// Changes one setting of a topic, and resets its others.
    pub async fn set_topic(&self, name: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let settings = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in admin.alter_configs([&settings], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// Gives a topic more partitions, up to so many.
    pub async fn grow_topic(&self, name: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let more = NewPartitions::new(name, partitions);
        for result in admin.create_partitions(&[more], &options).await.unwrap() {
            result.unwrap();
        }
    }

    pub async fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = client(&self.address()).create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        for result in admin.delete_topics(&[name], &options).await.unwrap() {
            result.unwrap();
        }
    }

    /// The partitions of a topic; `None` where there is no such topic.
    pub fn partitions(&self, topic: &str) -> Option<usize> {
        partitions(&consumer(&self.address()), topic)
    }

    /// How many members a consumer group has.
    pub fn members(&self, group: &str) -> usize {
        members(&self.address(), group)
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
