//! Destinations are a list, and each of them has books of its own: two of one kind, a store and its copy.

use boxbridge_config::{Config, Layers};
use boxbridge_event::PersonType;
use boxbridge_proof::reconcile::{self, Listening, Recorded, Report, Rules, judge};
use clap::Parser;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext};
use tokio_util::sync::CancellationToken;

use super::planted::{Run, arrival, listening};
use super::subscribers::{Sent, layers, options, produce, publish};
use crate::parts::mosquitto::Mosquitto;

async fn verdict(words: &[&str], settings: &[(&str, &str)]) -> Result<Report, reconcile::Error> {
    let stop = CancellationToken::new();
    reconcile::run_until(options(words), layers(settings), stop, |_| {}).await
}

/// VIPs only.
const HQ: [(&str, &str); 4] = [
    ("send.hq.kind", "kafka"),
    ("send.hq.brokers", "127.0.0.1:9"),
    ("route.hq.default.kafka_topic", ""),
    ("route.hq.vip.kafka_topic", "hq.vip"),
];

#[test]
fn two_destinations_of_one_kind_are_judged_each_by_its_own_routes() {
    let rules = Rules::of(&Config::load(&layers(&HQ)).unwrap());
    let run = Run::good();
    let on = |bus: &str, entry| {
        let mut arrival = arrival(entry);
        arrival.bus = bus.to_owned();
        Recorded::Arrival(arrival)
    };

    let mut lines = vec![listening("kafka"), listening("hq")];
    lines.extend(run.ledger.iter().map(|entry| on("kafka", entry)));
    let vips = run.ledger.iter();
    let vips = vips.filter(|entry| entry.person_type == PersonType::Vip);
    lines.extend(vips.skip(1).map(|entry| on("hq", entry)));

    let report = judge(rules, run.ledger, lines, None).unwrap();
    let (kafka, hq) = (&report.buses["kafka"], &report.buses["hq"]);
    assert_eq!((kafka.expected, kafka.received), (40, 40), "{report}");
    assert_eq!(
        (hq.expected, hq.received, hq.lost.count),
        (4, 3, 1),
        "{report}"
    );
    let text = report.to_string();
    assert!(
        text.contains("hq (kafka)") && text.ends_with("FAILED: hq 1 lost"),
        "{text}"
    );
}

#[tokio::test]
async fn two_brokers_are_listened_to_by_one_command_and_each_has_its_own_losses() {
    let (mosquitto, guards) = (Mosquitto::start(), Mosquitto::start());
    let sent = Sent::new().await;
    let (ledger, mqtt) = (sent.ledger(), format!("mqtt://{}", mosquitto.address()));
    let destination = format!("guards=mqtt://{}", guards.address());
    let words = [
        "--ledger",
        &ledger,
        "--mqtt",
        &mqtt,
        "--destination",
        &destination,
        "--until-quiet",
        "2s",
    ];
    let settings = [
        ("route.guards.default.mqtt_topic", ""),
        ("route.guards.default.mqtt_late_topic", ""),
        ("route.guards.visitor.mqtt_topic", "guards/{device.id}"),
    ];

    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let tell = move |listening: &Listening| ready.send(listening.buses.clone()).unwrap();
    let stop = CancellationToken::new();
    let run = reconcile::run_until(options(&words), layers(&settings), stop, tell);
    let run = tokio::spawn(run);
    assert_eq!(is_ready.await.unwrap(), ["mqtt", "guards"]);

    let outgoing = sent.gateway.outgoing();
    let visitors = outgoing.iter();
    let mut visitors: Vec<_> = visitors
        .filter(|out| out.payload["person_type"] == "visitor")
        .cloned()
        .collect();
    for out in &mut visitors {
        out.mqtt_topic = format!("guards/{}", out.payload["device"]["id"].as_str().unwrap());
    }
    let all = visitors.len() as u64;
    visitors.pop();
    publish(&guards, &visitors).await;
    publish(&mosquitto, &outgoing).await;

    let report = run.await.unwrap().unwrap();
    assert_eq!(report.buses["mqtt"].lost.count, 0, "{report}");
    let guards = &report.buses["guards"];
    assert_eq!((guards.expected, guards.lost.count), (all, 1), "{report}");
    assert_eq!(guards.wrong.count, 0, "{report}");
    assert_eq!(report.not_judged, ["store"], "{report}");
}

/// The mock answers as a broker does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_destinations_on_one_cluster_each_read_their_own_topics() {
    let sent = Sent::new().await;
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    // The mock cluster cannot leave its thread.
    let cluster = std::thread::spawn(move || {
        let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).unwrap();
        tell.send(cluster.bootstrap_servers()).unwrap();
        let _ = ended.recv();
    });
    let brokers = told.recv().unwrap();
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    let outgoing = sent.gateway.outgoing();
    let mut of_hq = outgoing.clone();
    for out in &mut of_hq {
        out.kafka_topic = out.kafka_topic.replace("boxbridge.events", "hq");
    }
    of_hq.pop();

    let (ledger, hq) = (sent.ledger(), format!("hq={brokers}"));
    let words = [
        "--ledger",
        &ledger,
        "--kafka",
        &brokers,
        "--destination",
        &hq,
        "--until-quiet",
        "4s",
    ];
    let settings = [("route.hq.default.kafka_topic", "hq.{person_type}")];
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let tell = move |_: &Listening| ready.send(()).unwrap();
    let stop = CancellationToken::new();
    let run = reconcile::run_until(options(&words), layers(&settings), stop, tell);
    let run = tokio::spawn(run);
    // The mock knows no times: it is read from its end.
    is_ready.await.unwrap();
    produce(&producer, &outgoing);
    produce(&producer, &of_hq);

    let report = run.await.unwrap().unwrap();
    let counts = |bus: &str| {
        let bus = &report.buses[bus];
        (bus.messages, bus.lost.count, bus.wrong.count)
    };
    let all = outgoing.len() as u64;
    assert_eq!(counts("kafka"), (all, 0, 0), "{report}");
    assert_eq!(counts("hq"), (all - 1, 1, 0), "{report}");

    drop(producer);
    end.send(()).unwrap();
    cluster.join().unwrap();
}

#[tokio::test]
async fn a_copy_of_the_store_is_judged_apart_from_the_store() {
    let sent = Sent::new().await;
    let copy = sent.path("copy");
    let copied = std::process::Command::new("cp")
        .args(["-r", &sent.gateway.folder.display().to_string(), &copy])
        .status();
    assert!(copied.unwrap().success());
    let scene = &sent.gateway.outgoing()[0].payload["pictures"]["scene"]["key"];
    std::fs::remove_file(format!("{copy}/{}", scene.as_str().unwrap())).unwrap();

    let (ledger, store, copy) = (sent.ledger(), sent.store(), format!("copy=file://{copy}"));
    let words = [
        "--ledger",
        &ledger,
        "--store",
        &store,
        "--destination",
        &copy,
    ];
    let report = verdict(&words, &[]).await.unwrap();
    let (store, copy) = (report.store.as_ref().unwrap(), &report.copies["copy"]);
    assert_eq!(
        (store.lost.count, store.stored),
        (0, store.expected),
        "{report}"
    );
    assert_eq!(
        (copy.lost.count, copy.stored + 1),
        (1, copy.expected),
        "{report}"
    );
    assert!(copy.verified > 0 && !report.passes(), "{report}");
}

#[tokio::test]
async fn a_destination_that_the_config_has_not_is_an_error_that_names_those_it_has() {
    let error = verdict(&["--destination", "hq", "--record", "x"], &[]).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("hq is not on in this config, which has store, mqtt"),
        "{error}"
    );
}

#[test]
fn a_recording_of_a_bus_that_the_config_has_not_is_no_verdict() {
    let rules = Rules::of(&Config::load(&Layers::default()).unwrap());
    let error = judge(rules, Run::good().ledger, [listening("hq")], None);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("\"hq\"") && error.contains("--config"),
        "{error}"
    );
}

#[tokio::test]
async fn all_means_every_destination_that_is_on() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = nobody.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("arrivals.jsonl").display().to_string();
    let settings = [("send.mqtt.url", ""), HQ[0], ("send.hq.brokers", &nobody)];
    let error = verdict(&["--all", "--record", &record], &settings).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen to hq at {nobody}")),
        "{error}"
    );
}

#[derive(clap::Parser)]
struct Help {
    #[command(subcommand)]
    command: Commands,
    #[arg(long, global = true)]
    config: Option<String>,
    #[arg(long, global = true)]
    set: Vec<String>,
}

#[derive(clap::Subcommand)]
enum Commands {
    Simulate(boxbridge_proof::simulate::Options),
    Reconcile(reconcile::Options),
}

#[test]
fn every_example_of_the_help_is_understood() {
    use clap::CommandFactory;

    let help = Help::command();
    let texts = help.get_subcommands().filter_map(|it| it.get_after_help());
    let text: String = texts.map(|text| format!("{text}\n")).collect();
    let examples = text.lines().map(str::trim);
    let examples: Vec<_> = examples.filter(|it| it.starts_with("boxbridge ")).collect();
    assert!(examples.len() >= 10, "{examples:?}");
    for example in examples {
        let parsed = Help::try_parse_from(example.split_whitespace());
        assert!(parsed.is_ok(), "{example}: {}", parsed.err().unwrap());
    }
}
