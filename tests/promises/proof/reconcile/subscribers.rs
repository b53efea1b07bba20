//! The same with the real parts: simulate sends, mosquitto and Kafka carry, a folder keeps, reconcile judges.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use boxbridge_config::{Config, Layers};
use boxbridge_proof::reconcile::{self, Listening, Options, Recorder, Report, Source, Sources};
use boxbridge_proof::simulate;
use clap::Parser;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::gateway::{Gateway, Outgoing};
use crate::parts::mosquitto::Mosquitto;

pub const EVENTS: u64 = 200;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

pub fn options(words: &[&str]) -> Options {
    Line::parse_from(std::iter::once("reconcile").chain(words.iter().copied())).options
}

/// Publishes everything, in order, and returns when the broker has acknowledged all of it.
pub async fn publish(mosquitto: &Mosquitto, outgoing: &[Outgoing]) {
    let mut settings = MqttOptions::new("stand-in", "127.0.0.1", mosquitto.address().port());
    settings.set_keep_alive(Duration::from_secs(30));
    let (client, mut eventloop) = AsyncClient::new(settings, 10);
    let messages: Vec<_> = outgoing
        .iter()
        .map(|out| (out.mqtt_topic.clone(), out.payload.to_string()))
        .collect();
    let count = messages.len();
    let publishing = tokio::spawn(async move {
        for (topic, payload) in messages {
            client
                .publish(topic, QoS::AtLeastOnce, false, payload)
                .await
                .unwrap();
        }
        client
    });

    let mut acknowledged = 0;
    while acknowledged < count {
        if let Event::Incoming(Packet::PubAck(_)) = eventloop.poll().await.unwrap() {
            acknowledged += 1;
        }
    }
    drop(publishing.await);
}

/// A run up to the point where the messages leave.
pub struct Sent {
    folder: tempfile::TempDir,
    pub gateway: Gateway,
    ledger: PathBuf,
}

impl Sent {
    pub async fn new() -> Sent {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("run.jsonl");
        let (gateway, url) = Gateway::start(folder.path().join("pictures")).await;
        let options = simulate::Options {
            url,
            rate: 100_000.0,
            count: Some(EVENTS),
            boxes: 5,
            picture_bytes: 2_000,
            seed: Some(1),
            patience: Duration::from_secs(60),
            ledger: Some(ledger.clone()),
            ..simulate::Options::default()
        };
        let outcome = simulate::run_until(options, CancellationToken::new())
            .await
            .unwrap();

        assert_eq!(outcome.acknowledged, EVENTS);
        Sent {
            folder,
            gateway,
            ledger,
        }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn ledger(&self) -> String {
        self.ledger.display().to_string()
    }

    pub fn store(&self) -> String {
        format!("file://{}", self.gateway.folder.display())
    }

    /// The verdict over what was recorded, and the pictures.
    pub async fn judge(&self, arrivals: &str) -> Report {
        let options = options(&[
            "--ledger",
            &self.ledger(),
            "--arrivals",
            arrivals,
            "--store",
            &self.store(),
        ]);
        reconcile::run_until(options, Layers::default(), CancellationToken::new(), |_| {})
            .await
            .unwrap()
    }
}

pub fn layers(settings: &[(&str, &str)]) -> Layers {
    let flags = settings.iter();
    let flags = flags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Layers {
        flags: flags.collect(),
        ..Layers::default()
    }
}

pub async fn record_mqtt(mosquitto: &Mosquitto, file: &str) -> Recorder {
    let url = format!("mqtt://{}", mosquitto.address());
    let config = Config::load(&layers(&[("send.mqtt.url", &url)])).unwrap();
    Recorder::start(Sources::all(&config), file.as_ref())
        .await
        .unwrap()
}

#[tokio::test]
async fn through_mosquitto_all_arrives_and_each_planted_fault_is_named() {
    let mosquitto = Mosquitto::start();
    let sent = Sent::new().await;
    let (good, bad) = (sent.path("good.jsonl"), sent.path("bad.jsonl"));

    let mut recorder = record_mqtt(&mosquitto, &good).await;
    publish(&mosquitto, &sent.gateway.outgoing()).await;
    recorder
        .wait_until(|progress| progress.messages >= EVENTS)
        .await;
    recorder.finish().await.unwrap();
    let report = sent.judge(&good).await;
    assert!(report.passes_strictly(), "{report}");
    assert_eq!(report.buses["mqtt"].received, EVENTS);
    assert!(
        report.store.as_ref().unwrap().verified > EVENTS,
        "the content of every picture was compared"
    );

    let mut outgoing = sent.gateway.outgoing();
    let scene = outgoing[150].payload["pictures"]["scene"]["key"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::remove_file(sent.gateway.folder.join(scene)).unwrap();
    outgoing[120].payload["person_type"] = json!("unknown");
    let again = outgoing[60].clone();
    outgoing.push(again);
    let device = |out: &Outgoing| {
        (
            out.payload["device"]["id"].clone(),
            out.payload["person_type"].clone(),
        )
    };
    let pair = (10..50).find_map(|first| {
        (first + 1..50)
            .find(|second| device(&outgoing[first]) == device(&outgoing[*second]))
            .map(|second| (first, second))
    });
    let (first, second) = pair.unwrap();
    outgoing.swap(first, second);
    outgoing.remove(90);
    let mut recorder = record_mqtt(&mosquitto, &bad).await;
    publish(&mosquitto, &outgoing).await;
    recorder
        .wait_until(|progress| progress.messages >= outgoing.len() as u64)
        .await;
    recorder.finish().await.unwrap();
    let report = sent.judge(&bad).await;
    let bus = &report.buses["mqtt"];
    assert_eq!(
        (bus.lost.count, bus.duplicated.count, bus.wrong.count),
        (1, 1, 1),
        "{report}"
    );
    assert!(bus.reordered.count >= 1, "{report}");
    assert_eq!(report.store.as_ref().unwrap().dangling.count, 1, "{report}");
    assert!(!report.passes());
}

#[tokio::test]
async fn a_broker_that_forgot_its_subscriber_is_listened_to_again_and_the_gap_is_said() {
    let mut mosquitto = Mosquitto::start();
    let sent = Sent::new().await;
    let arrivals = sent.path("arrivals.jsonl");
    let mut recorder = record_mqtt(&mosquitto, &arrivals).await;
    // It knows nobody any more.
    mosquitto.kill();
    mosquitto.run();
    recorder.wait_until(|progress| progress.gaps == 1).await;
    publish(&mosquitto, &sent.gateway.outgoing()).await;
    recorder
        .wait_until(|progress| progress.messages >= EVENTS)
        .await;
    recorder.finish().await.unwrap();

    let report = sent.judge(&arrivals).await;
    assert!(
        report.passes_strictly() && report.warnings[0].contains("its own session"),
        "{report}"
    );
}

#[tokio::test]
async fn listening_and_judging_are_one_command() {
    let mosquitto = Mosquitto::start();
    let sent = Sent::new().await;
    let (ledger, url) = (sent.ledger(), format!("mqtt://{}", mosquitto.address()));
    let options = options(&[
        "--ledger",
        &ledger,
        "--mqtt",
        &url,
        "--store",
        &sent.store(),
        "--until-quiet",
        "2s",
    ]);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let tell = move |_: &Listening| ready.send(()).unwrap();
    let verdict = tokio::spawn(reconcile::run_until(
        options,
        Layers::default(),
        CancellationToken::new(),
        tell,
    ));
    is_ready.await.unwrap();
    publish(&mosquitto, &sent.gateway.outgoing()).await;

    let report = verdict.await.unwrap().unwrap();
    assert!(report.passes_strictly(), "{report}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error_and_no_verdict() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("arrivals.jsonl").display().to_string();
    let options = options(&["--mqtt", &format!("mqtt://{nobody}"), "--record", &record]);
    let error = reconcile::run_until(options, Layers::default(), CancellationToken::new(), |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
}

#[tokio::test]
async fn a_recording_never_overwrites_what_is_to_be_read() {
    let same = options(&["--mqtt", "--arrivals", "a.jsonl", "--record", "a.jsonl"]);
    let error = reconcile::run_until(same, Layers::default(), CancellationToken::new(), |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("overwrite"), "{error}");
}

#[tokio::test]
async fn a_comparison_of_nothing_is_an_error_and_not_a_success() {
    for words in [
        vec![],
        vec!["--ledger", "a.jsonl"],
        vec!["--arrivals", "a.jsonl"],
    ] {
        let error = reconcile::run_until(
            options(&words),
            Layers::default(),
            CancellationToken::new(),
            |_| {},
        )
        .await
        .unwrap_err();
        assert!(
            error.to_string().starts_with("nothing to compare"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_slip_in_the_ledgers_name_does_not_cost_what_was_recorded() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("slip.jsonl").display().to_string();
    let url = format!("mqtt://{}", mosquitto.address());
    let options = options(&["--ledger", &ledger, "--mqtt", &url, "--for", "10ms"]);
    let error = reconcile::run_until(options, Layers::default(), CancellationToken::new(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    let kept = format!("--arrivals {ledger}.arrivals");

    assert!(
        error.contains(&format!("there is no ledger {ledger}")) && error.contains(&kept),
        "{error}"
    );
}

pub fn produce(producer: &BaseProducer, outgoing: &[Outgoing]) {
    for out in outgoing {
        let (payload, key) = (out.payload.to_string(), out.mqtt_topic.clone());
        let record = BaseRecord::to(&out.kafka_topic).payload(&payload).key(&key);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// The mock answers as a broker does, for a topic that is there and for those that come later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_kafka_all_arrives_also_on_topics_that_are_made_later() {
    let sent = Sent::new().await;
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    // The mock cluster cannot leave its thread.
    let cluster = std::thread::spawn(move || {
        let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
        cluster
            .create_topic("boxbridge.events.employee", 3, 1)
            .unwrap();
        tell.send(cluster.bootstrap_servers()).unwrap();
        let _ = ended.recv();
    });
    let brokers = told.recv().unwrap();
    let config = Config::load(&layers(&[("send.kafka.brokers", &brokers)])).unwrap();
    let mut sources = Sources::all(&config);
    sources.buses.retain(|bus: &Source| bus.name == "kafka");

    let arrivals = sent.path("kafka.jsonl");
    let mut recorder = Recorder::start(sources, arrivals.as_ref()).await.unwrap();
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    produce(&producer, &sent.gateway.outgoing());
    recorder
        .wait_until(|progress| progress.messages >= EVENTS)
        .await;
    recorder.finish().await.unwrap();

    let report = sent.judge(&arrivals).await;
    assert!(report.passes_strictly(), "{report}");
    assert_eq!(report.buses["kafka"].received, EVENTS);
    drop(producer);
    end.send(()).unwrap();
    cluster.join().unwrap();
}
