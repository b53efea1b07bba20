//! The node's process: its settings, its storage made once, and the command that runs a class of Kafka's.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::{PASSWORD, STRANGER, USER};
use crate::parts::child::{free_port, installed};

/// A node of a cluster: its number, from 1, and its ports.
#[derive(Clone, Copy)]
pub struct Node {
    pub id: usize,
    pub port: u16,
    pub controller: u16,
}

impl Node {
    pub fn new(id: usize) -> Node {
        Node {
            id,
            port: free_port(),
            controller: free_port(),
        }
    }
}

/// Of one of these nodes. What one of three copies was written to outlives a node, so two of them acknowledge.
pub fn settings(directory: &Path, own: Node, all: &[Node]) -> BTreeMap<String, String> {
    let voter = |node: &Node| format!("{}@127.0.0.1:{}", node.id, node.controller);
    let voters: Vec<_> = all.iter().map(voter).collect();
    let listeners = format!(
        "PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}",
        own.port, own.controller
    );
    let data = directory.join("data").display().to_string();
    let id = own.id.to_string();

    let pairs = [
        ("node.id", &*id),
        ("controller.quorum.voters", &voters.join(",")),
        ("listeners", &listeners),
        ("log.dirs", &data),
    ];
    let copies = all.len().to_string();
    let in_sync = (all.len() - all.len() / 3).to_string();
    let copies = COPIES.map(|key| (key, &*copies));
    let in_sync = IN_SYNC.map(|key| (key, &*in_sync));

    let all = pairs.into_iter().chain(COMMON).chain(copies).chain(in_sync);
    all.map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

const COPIES: [&str; 4] = [
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
];

const IN_SYNC: [&str; 3] = [
    "min.insync.replicas",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.min.isr",
];

const COMMON: [(&str, &str); 17] = [
    ("process.roles", "broker,controller"),
    ("controller.listener.names", "CONTROLLER"),
    (
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    ),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("num.partitions", "1"),
    ("offsets.topic.num.partitions", "1"),
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

/// Makes the storage, with users for the ways that want a login.
pub fn format(directory: &Path) {
    let mut command = java(directory, "kafka.tools.StorageTool");
    command
        .args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
        .arg(directory.join("server.properties"));
    for (mechanism, user) in [
        ("SCRAM-SHA-256", USER),
        ("SCRAM-SHA-512", USER),
        ("SCRAM-SHA-512", STRANGER),
    ] {
        let credentials = format!("{mechanism}=[name={user},password={PASSWORD}]");
        command.args(["--add-scram", &credentials]);
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
pub fn java(directory: &Path, class: &str) -> Command {
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
