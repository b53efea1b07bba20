//! A whole site: the gateway between real boxes' requests and all three real destinations.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use boxbridge_config::{Config, Layers};
use serde_json::Value;

use super::child::PATIENCE;
use super::gateway::Gateway;
use super::kafka::Broker;
use super::mosquitto::Mosquitto;
use super::s3;

/// mosquitto and an S3 server of this test's own; topics on Kafka are named after the test.
pub struct Site {
    pub gateway: Gateway,
    pub mosquitto: Mosquitto,
    pub store: s3::Server,
    /// `None` = the one that the process shares.
    own_kafka: Option<Broker>,
    name: &'static str,
    settings: Vec<(String, String)>,
}

impl Site {
    /// On the Kafka that the process shares.
    pub fn start(name: &'static str, settings: &[(&str, &str)]) -> Site {
        Site::new(name, None, settings)
    }

    /// With a Kafka of its own, for a test that stops it.
    pub fn with_own_kafka(name: &'static str, settings: &[(&str, &str)]) -> Site {
        Site::new(name, Some(Broker::start()), settings)
    }

    fn new(name: &'static str, own_kafka: Option<Broker>, settings: &[(&str, &str)]) -> Site {
        let (mosquitto, store) = (Mosquitto::start(), s3::Server::start());
        let kafka = own_kafka.as_ref().unwrap_or_else(|| Broker::shared());
        let own = [
            ("SEND__MQTT__URL", format!("mqtt://{}", mosquitto.address())),
            ("SEND__KAFKA__BROKERS", kafka.address()),
            (
                "ROUTE__DEFAULT__KAFKA_TOPIC",
                format!("{name}.{{person_type}}"),
            ),
            ("SEND__STORE__URL", format!("s3://{}/lobby", s3::BUCKET)),
            ("SEND__STORE__ENDPOINT", store.endpoint()),
            ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID.to_owned()),
            ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET.to_owned()),
        ];
        let given = settings
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned()));
        let settings: Vec<_> = own
            .into_iter()
            .chain(given)
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let gateway = Gateway::start(
            &settings
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<Vec<_>>(),
        );

        Site {
            gateway,
            mosquitto,
            store,
            own_kafka,
            name,
            settings,
        }
    }

    /// What the gateway's own settings say.
    pub fn config(&self) -> Config {
        let file = self.settings.iter().find(|(key, _)| key == "CONFIG");
        let environment = self
            .settings
            .iter()
            .filter(|(key, _)| key != "CONFIG")
            .map(|(key, value)| (format!("BOXBRIDGE_{key}"), value.clone()))
            .collect();
        Config::load(&Layers {
            environment,
            file: file.map(|(_, path)| path.into()),
            ..Layers::default()
        })
        .unwrap()
    }

    /// Silent, not gone: they accept connections and never answer.
    pub fn everything_down(&mut self) {
        self.mosquitto.freeze();
        self.own_kafka.as_mut().expect("a Kafka of its own").pause();
        self.store.kill();
    }

    pub fn everything_up(&mut self) {
        self.mosquitto.thaw();
        self.own_kafka
            .as_mut()
            .expect("a Kafka of its own")
            .resume();
        self.store.restart();
    }

    /// Kafka accepts connections and answers nothing, until it is thawed.
    pub fn freeze_kafka(&mut self) {
        self.own_kafka.as_mut().expect("a Kafka of its own").pause();
    }

    pub fn thaw_kafka(&self) {
        self.own_kafka
            .as_ref()
            .expect("a Kafka of its own")
            .resume();
    }

    /// The events of one person type on Kafka, from the beginning.
    pub async fn on_kafka(&self, person_type: &str, count: usize) -> Vec<super::kafka::Received> {
        self.own_kafka
            .as_ref()
            .unwrap_or_else(|| Broker::shared())
            .read(&format!("{}.{person_type}", self.name), count)
            .await
    }

    /// The object that a `uri` of an event names.
    pub fn object(&self, uri: &str) -> Option<Vec<u8>> {
        let key = uri
            .strip_prefix(&format!("s3://{}/", s3::BUCKET))
            .unwrap_or_else(|| panic!("{uri} is not in the bucket"));
        std::fs::read(self.store.file(key)).ok()
    }
}

/// A small JPEG that is different for every `seed`: start, a size, entropy, end.
pub fn jpeg(seed: u64, bytes: usize) -> Vec<u8> {
    let mut picture = vec![
        0xff, 0xd8, 0xff, 0xc0, 0x00, 0x11, 0x08, 0x02, 0x80, 0x01, 0xe0, 0x03, 1, 0x22, 0, 2,
        0x11, 1, 3, 0x11, 1,
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;

    while picture.len() + 2 < bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // 0xff would begin a marker.
        picture.push((state >> 33) as u8 & 0x7f);
    }
    picture.extend([0xff, 0xd9]);
    picture
}

pub fn base64(bytes: &[u8]) -> Value {
    base64_simd::STANDARD.encode_to_string(bytes).into()
}

/// Polls until `done`; panics with `what` if it never is.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}: never");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files below a folder, by their path relative to it.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
