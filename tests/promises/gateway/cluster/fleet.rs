//! Three gateways behind the shipped haproxy, three Kafka nodes, mosquitto and a bucket: a site of mode cluster on one machine.
//!
//! Promises: what a gateway answered from its disk is read off before it is ended, by reason, and kept apart for disks that are deleted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use boxbridge_config::{Config, Layers};
use boxbridge_proof::simulate;

use crate::parts::gateway::Gateway;
use crate::parts::haproxy::Haproxy;
use crate::parts::kafka::cluster::Cluster;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;
use crate::parts::site::wait_until;

pub struct Fleet {
    pub gateways: Vec<Gateway>,
    pub kafka: Cluster,
    pub mosquitto: Mosquitto,
    pub store: s3::Server,
    haproxy: Haproxy,
    settings: Vec<(String, String)>,
    /// Answers from disks that were deleted before they were known to be delivered, and from those of processes that are no more.
    deleted: Reasons,
    ended: Reasons,
    /// For each gateway, the answers from its disk that have been delivered.
    delivered: Vec<Reasons>,
}

/// Events that were answered from a disk, by why.
pub type Reasons = BTreeMap<String, u64>;

/// The first of the boxes; each has an address of its own, by which haproxy keeps it on its gateway.
const FIRST_BOX: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// The settings that make several gateways a cluster.
const OF_CLUSTER: [&str; 2] = ["QUEUE__ANSWER_FROM", "SEND__MQTT__FROM"];

const FROM_DISK: &str = "boxbridge_ingest_answered_from_disk_total";

/// What is started.
pub struct Shape {
    pub gateways: usize,
    /// False: as edge, each from its own disk.
    pub over_kafka: bool,
    /// They answer by this deadline, from the disk if need be.
    pub answer_deadline: Duration,
}

impl Fleet {
    pub fn start(shape: &Shape) -> Fleet {
        let (kafka, mosquitto, store) = std::thread::scope(|scope| {
            let kafka = scope.spawn(Cluster::start);
            let mosquitto = Mosquitto::start();
            let store = s3::Server::start();
            (kafka.join().unwrap(), mosquitto, store)
        });
        let mut settings = settings(&kafka, &mosquitto, &store);
        let deadline = format!("{}ms", shape.answer_deadline.as_millis());
        settings.push(("INGEST__ANSWER_DEADLINE".to_owned(), deadline));
        settings.retain(|(key, _)| shape.over_kafka || !OF_CLUSTER.contains(&key.as_str()));

        let gateways: Vec<_> = (1..=shape.gateways)
            .map(|it| gateway(&settings, it))
            .collect();
        let addresses: Vec<_> = gateways.iter().map(|it| (it.ingest, it.admin)).collect();

        Fleet {
            haproxy: Haproxy::before(&addresses),
            gateways,
            kafka,
            mosquitto,
            store,
            settings,
            deleted: Reasons::new(),
            ended: Reasons::new(),
            delivered: vec![Reasons::new(); shape.gateways],
        }
    }

    /// What the gateways' own settings say.
    pub fn config(&self) -> Config {
        let prefixed =
            |(key, value): &(String, String)| (format!("BOXBRIDGE_{key}"), value.clone());
        let layers = Layers {
            environment: self.settings.iter().map(prefixed).collect(),
            ..Layers::default()
        };
        Config::load(&layers).unwrap()
    }

    /// Boxes that go to haproxy, until they are told to stop.
    pub fn boxes(&self, options: simulate::Options) -> simulate::Options {
        let url = format!("http://{}/RealTimeEvent", self.haproxy.address);
        simulate::Options {
            url: url.parse().unwrap(),
            from: Some(FIRST_BOX),
            duration: Duration::from_secs(3_600),
            ..options
        }
    }

    /// SIGKILL, and nothing is left of its disk, while Kafka is so much behind what boxes send.
    pub fn lose(&mut self, gateway: usize, behind: Duration) {
        let delivered = std::mem::take(&mut self.delivered[gateway]);
        let gateway = &mut self.gateways[gateway];
        self.kafka.pause();
        // The stimulus: what comes now is on the disk alone.
        std::thread::sleep(behind);
        let answered = from_disk(gateway);
        gateway.kill();

        add(&mut self.ended, answered.clone());
        add(&mut self.deleted, since(&delivered, answered));
        std::fs::remove_dir_all(gateway.data_dir()).unwrap();

        self.kafka.resume();
        gateway.restart();
    }

    /// SIGTERM, the end that follows, and a new start: one after the other.
    pub fn roll(&mut self) {
        self.delivered.fill(Reasons::new());
        for gateway in &mut self.gateways {
            add(&mut self.ended, from_disk(gateway));
            assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
            gateway.restart();
        }
    }

    /// Each of them is connected to mosquitto, out of Kafka.
    pub fn wait_for_mosquitto(&self) {
        let of_us = [("destination", "mqtt@kafka")];
        let is_connected = |gateway: &Gateway| gateway.sum("boxbridge_send_up", &of_us) == 1.0;
        wait_until("all gateways are connected to mosquitto", || {
            self.gateways.iter().all(is_connected)
        });
    }

    /// Everything, while nothing more comes.
    pub fn wait_delivered(&mut self) {
        self.gateways.iter().for_each(Gateway::wait_delivered);
        self.delivered = self.gateways.iter().map(from_disk).collect();
    }

    /// Answered from disks that are no more, and not known to be delivered.
    pub fn answered_from_deleted_disks(&self) -> Reasons {
        self.deleted.clone()
    }

    /// Answered from any disk since the start.
    pub fn answered_from_disks(&self) -> Reasons {
        let mut all = self.ended.clone();
        for gateway in &self.gateways {
            add(&mut all, from_disk(gateway));
        }
        all
    }

    /// CPU seconds of all gateways that run, by the kernel's count.
    pub fn cpu_seconds(&self) -> f64 {
        self.gateways.iter().map(|it| cpu_seconds(it.id())).sum()
    }
}

fn settings(kafka: &Cluster, mosquitto: &Mosquitto, store: &s3::Server) -> Vec<(String, String)> {
    let settings = [
        ("QUEUE__ANSWER_FROM", "kafka".to_owned()),
        // A minute of what boxes send, while the bucket is away.
        ("QUEUE__MAX_BYTES", "4GiB".to_owned()),
        ("SEND__MQTT__URL", format!("mqtt://{}", mosquitto.address())),
        ("SEND__MQTT__FROM", "kafka".to_owned()),
        ("SEND__KAFKA__BROKERS", kafka.address()),
        ("SEND__KAFKA__REPLICATION", "3".to_owned()),
        ("SEND__STORE__URL", format!("s3://{}/lobby", s3::BUCKET)),
        ("SEND__STORE__ENDPOINT", store.endpoint()),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID.to_owned()),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET.to_owned()),
        ("INGEST__TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        // haproxy looks every second.
        ("INGEST__DRAIN_DELAY", "3s".to_owned()),
    ];
    settings
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn gateway(settings: &[(String, String)], number: usize) -> Gateway {
    let name = format!("gateway-{number}");
    let pairs = settings.iter().map(|(key, value)| (&**key, &**value));
    let named: Vec<_> = pairs.chain([("GATEWAY", &*name)]).collect();
    Gateway::start(&named)
}

fn from_disk(gateway: &Gateway) -> Reasons {
    let metrics = gateway.metrics().into_iter();
    let of_it = metrics.filter_map(|(series, count)| {
        let labels = series.strip_prefix(FROM_DISK)?;
        let reason = labels.split('"').nth(1)?.to_owned();
        Some((reason, count as u64))
    });
    of_it.filter(|(_, count)| *count > 0).collect()
}

fn add(sum: &mut Reasons, more: Reasons) {
    for (reason, count) in more {
        *sum.entry(reason).or_default() += count;
    }
}

/// What has been added to these counts.
pub fn since(before: &Reasons, mut now: Reasons) -> Reasons {
    for (reason, count) in &mut now {
        *count -= before.get(reason).copied().unwrap_or_default().min(*count);
    }
    now.retain(|_, count| *count > 0);
    now
}

fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may hold anything, utime and stime are the twelfth and thirteenth field; in hundredths.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
