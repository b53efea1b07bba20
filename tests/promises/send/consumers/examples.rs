//! Every example through the life of a consumer: a live alert with its picture, the same again, a newer revision, what is too late, and a restart
//! of its broker.

use std::process::Command;

use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use serde_json::{Value, json};

use super::programs::{Addresses, Bus, Program};
use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::site::{base64, jpeg};
use crate::parts::subscriber::Subscriber;

const DEVICE: &str = "192.168.1.243";
const BLACKLIST: u64 = 3;
const EMPLOYEE: u64 = 1;

struct World {
    gateway: Gateway,
    mosquitto: Mosquitto,
    kafka: Broker,
    /// Sees what the examples see.
    witness: Subscriber,
    programs: Vec<Program>,
    folder: tempfile::TempDir,
    /// What each bus's consumers have to print, but for the pictures.
    told: Vec<(Bus, String)>,
    shown: Vec<(Bus, String)>,
}

impl World {
    async fn start() -> World {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Broker::start();
        let mosquitto = Mosquitto::with(&Settings {
            listeners: &[Listener::Tcp, Listener::WebSocket],
            ..Settings::default()
        });
        let gateway = Gateway::start(&[
            (
                "SEND__MQTT__URL",
                &format!("mqtt://{}", mosquitto.address()),
            ),
            ("SEND__KAFKA__BROKERS", &kafka.address()),
        ]);

        World {
            witness: Subscriber::start(mosquitto.address(), "boxbridge/+/+/blacklist/+").await,
            gateway,
            mosquitto,
            kafka,
            programs: Vec::new(),
            folder,
            told: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Starts the examples, and waits until each hears its bus: a message that is retained, as no event ever is, comes with the subscription.
    async fn start_programs(&mut self) {
        self.gateway
            .take("/HistoryEvent", &event("before", json!(BLACKLIST), DEVICE));
        let before = self.witness.receive_one().await;
        self.publish(
            "boxbridge/default/late/blacklist/retained",
            &before.payload,
            &["-r"],
        );
        self.witness.receive_one().await;
        let before: Value = serde_json::from_slice(&before.payload).unwrap();

        let at = Addresses {
            mqtt: self.mosquitto.address(),
            websocket: self.mosquitto.address_of(1),
            kafka: self.kafka.address(),
        };
        self.programs = Program::start_all(self.folder.path(), &at);
        self.expect(&[Bus::Mqtt, Bus::Kafka], "record", &before);
    }

    /// Posts a blacklisted person; the message that the witness got of it.
    async fn post(&mut self, path: &str, identity: &str, pictures: &[(&str, Vec<u8>)]) -> Value {
        self.take(path, identity, pictures);
        self.heard().await
    }

    /// After a restart of the broker the one that is retained comes again.
    async fn heard(&mut self) -> Value {
        loop {
            let message = self.witness.receive_one().await;
            if !message.retain {
                return serde_json::from_slice(&message.payload).unwrap();
            }
        }
    }

    fn take(&self, path: &str, identity: &str, pictures: &[(&str, Vec<u8>)]) {
        let mut body = event(identity, json!(BLACKLIST), DEVICE);
        for (field, bytes) in pictures {
            body["ext_data"][field] = base64(bytes);
        }
        self.gateway.take(path, &body);
    }

    /// Each of these buses' consumers prints it, and nothing before it that was not expected.
    fn expect(&mut self, buses: &[Bus], word: &str, event: &Value) {
        let text = |of: &Value| of.as_str().unwrap().to_owned();
        let line = format!(
            "{word} {} {} {} {}",
            text(&event["id"]),
            text(&event["revision"]),
            text(&event["identity"]["name"]),
            text(&event["device"]["id"])
        );
        let picture = ["face", "scene"]
            .into_iter()
            .map(|kind| &event["pictures"][kind])
            .find(|picture| !picture.is_null());

        for bus in buses {
            self.told.push((*bus, line.clone()));
            let shown = picture.map(|picture| {
                format!("picture {} {} bytes", text(&event["id"]), picture["bytes"])
            });
            self.shown.extend(shown.map(|shown| (*bus, shown)));
        }
        self.wait();
    }

    /// Until every program has printed exactly that, in that order; pictures come when they come.
    fn wait(&self) {
        for program in &self.programs {
            let of_bus = |all: &[(Bus, String)]| -> Vec<String> {
                let lines = all.iter().filter(|(bus, _)| *bus == program.bus);
                lines.map(|(_, line)| line.clone()).collect()
            };
            let (told, mut shown) = (of_bus(&self.told), of_bus(&self.shown));
            shown.sort();

            let deadline = std::time::Instant::now() + PATIENCE;
            loop {
                let (mut pictures, lines): (Vec<_>, Vec<_>) = program
                    .lines()
                    .into_iter()
                    .partition(|line| line.starts_with("picture "));
                pictures.sort();
                if lines == told && pictures == shown {
                    break;
                }
                let is_late = std::time::Instant::now() > deadline || !told.starts_with(&lines);
                assert!(
                    !is_late,
                    "{}: {lines:#?} {pictures:#?}, but expected {told:#?} {shown:#?}; its log ends:\n{}",
                    program.name,
                    program.log()
                );
                // Between two looks.
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }

    /// As a bus that delivers at least once may.
    fn send_to_both(&self, event: &Value) {
        let payload = event.to_string();
        let topic = format!("boxbridge/default/events/blacklist/{DEVICE}");
        self.publish(&topic, payload.as_bytes(), &[]);

        let producer: BaseProducer = rdkafka::ClientConfig::new()
            .set("bootstrap.servers", self.kafka.address())
            .create::<BaseProducer<DefaultProducerContext>>()
            .unwrap();
        let key = format!("default/{DEVICE}");
        let record = BaseRecord::to("boxbridge.events.blacklist")
            .key(&key)
            .payload(&payload);
        producer.send(record).unwrap();
        producer.flush(PATIENCE).unwrap();
    }

    fn publish(&self, topic: &str, payload: &[u8], more: &[&str]) {
        let file = self.folder.path().join("payload");
        std::fs::write(&file, payload).unwrap();
        let address = self.mosquitto.address();
        let status = Command::new("mosquitto_pub")
            .args([
                "-h",
                &address.ip().to_string(),
                "-p",
                &address.port().to_string(),
            ])
            .args(["-q", "1", "-t", topic, "-f"])
            .arg(&file)
            .args(more)
            .status()
            .unwrap();
        assert!(status.success(), "mosquitto_pub: {status}");
    }

    /// Both brokers end, and come back with what they keep on disk.
    fn restart_brokers(&mut self, meanwhile: impl FnOnce(&World)) {
        self.mosquitto.stop();
        self.kafka.kill();
        meanwhile(self);
        self.kafka.start_again();
        self.mosquitto.run();
        self.kafka.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_rings_once_records_what_is_late_shows_the_face_and_outlives_its_broker() {
    let (both, kafka) = ([Bus::Mqtt, Bus::Kafka], [Bus::Kafka]);
    let mut world = World::start().await;
    world.start_programs().await;

    let face = [
        ("recognize_face", jpeg(1, 3_000)),
        ("spot_pic", jpeg(2, 4_000)),
    ];
    let live = world.post("/RealTimeEvent", "1", &face).await;
    world.expect(&both, "ALERT", &live);

    // The same again, and one that is late though it stands on the live topic.
    world.send_to_both(&live);
    let stale = with(
        &live,
        "00000000-0000-8000-8000-00000000dead",
        "2026-01-01T00:00:00.000Z",
    );
    world.send_to_both(&stale);
    world.witness.receive(2).await;
    world.expect(&both, "record", &stale);

    // History tells of somebody first, and then comes the newer word.
    let history = world.post("/HistoryEvent", "2", &[]).await;
    world.expect(&both, "record", &history);
    let newer = world.post("/RealTimeEvent", "2", &[]).await;
    assert_eq!(newer["id"], history["id"]);
    world.expect(&both, "ALERT", &newer);

    // Kafka's consumers see everybody, and ring for some.
    let employee = event("3", json!(EMPLOYEE), DEVICE);
    world.gateway.take("/RealTimeEvent", &employee);
    let employee = world
        .kafka
        .read("boxbridge.events.employee", 1)
        .await
        .remove(0);
    let employee: Value = serde_json::from_slice(&employee.payload).unwrap();
    assert!(employee["act_before"].is_string(), "{employee}");
    world.expect(&kafka, "record", &employee);

    let scene = [("spot_pic", jpeg(3, 5_000))];
    world.restart_brokers(|world| world.take("/RealTimeEvent", "4", &scene));
    let after = world.heard().await;
    world.expect(&both, "ALERT", &after);

    for program in &mut world.programs {
        let code = program.stop();
        // Java says of itself that it was told to go.
        let expected = if program.name.starts_with("java/") {
            143
        } else {
            0
        };
        assert_eq!(code, Some(expected), "{}: {}", program.name, program.log());
    }
}

fn with(event: &Value, id: &str, act_before: &str) -> Value {
    let mut event = event.clone();
    event["id"] = json!(id);
    event["act_before"] = json!(act_before);
    event
}

/// Blank lines and lines of comments count as little as imports: it is what a reader has to understand.
#[test]
fn no_example_has_more_than_sixty_lines() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = [
        "python/alerts.py",
        "python/events.py",
        "javascript/alerts.js",
        "javascript/events.js",
        "go/main.go",
        "java/Events.java",
        "node-red/flow.json",
    ];

    for file in files {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let lines = text.lines().map(str::trim);
        let is_code = |line: &&str| {
            let is_import = line.starts_with("import ") || line.starts_with("from ");
            let is_gos_import = line.starts_with('"') && line.ends_with('"');
            !line.is_empty() && !line.starts_with("//") && !is_import && !is_gos_import
        };
        let count = lines.filter(is_code).count();
        assert!(count <= 60, "{file} has {count} lines");
    }
}
