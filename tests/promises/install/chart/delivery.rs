//! What runs in the pods, run here: the gateway from its rendered settings, and `helm test` against it and real destinations.

use std::path::Path;
use std::process::Command;

use super::helm::{Rendered, environment, render, run};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;

/// What the Secret that the values refer to holds.
const SECRET: (&str, &str) = ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET);

struct Installed {
    rendered: Rendered,
    settings: tempfile::NamedTempFile,
    gateway: Gateway,
}

impl Installed {
    /// The gateway reads the rendered file; only its folder and its ports are this test's.
    fn with(values: &str) -> Installed {
        let rendered = render(values);
        let settings = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(settings.path(), rendered.settings()).unwrap();
        let gateway = Gateway::start(&[("CONFIG", settings.path().to_str().unwrap()), SECRET]);
        Installed {
            rendered,
            settings,
            gateway,
        }
    }

    /// The test pod's own command and environment, with the Service's name replaced by an address, and `change` made to it.
    fn helm_test(&self, change: impl FnOnce(&str) -> String) -> Result<String, String> {
        let container = &self.rendered.object("Pod", "boxbridge-test")["spec"]["containers"][0];
        let folder = tempfile::tempdir().unwrap();
        let words: Vec<_> = container["command"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        let script = words[2].replace(
            "http://boxbridge:9528",
            &format!("http://{}", self.gateway.ingest),
        );
        assert_ne!(script, words[2]);

        let binaries = Path::new(env!("CARGO_BIN_EXE_boxbridge")).parent().unwrap();
        let mut command = Command::new(words[0]);
        command
            .args([words[1], &change(&script)])
            .current_dir(folder.path())
            .env_clear()
            .envs(environment(container));
        command
            .env("BOXBRIDGE_CONFIG", self.settings.path())
            .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()));
        command.env(format!("BOXBRIDGE_{}", SECRET.0), SECRET.1);

        let output = run(&mut command, "");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(said.into_owned())
        } else {
            Err(said.into_owned())
        }
    }
}

/// Real parts, and the values that name them.
struct Places {
    mosquitto: Mosquitto,
    store: s3::Server,
}

impl Places {
    fn start() -> Places {
        let (mosquitto, store) = (Mosquitto::start(), s3::Server::start());
        Places { mosquitto, store }
    }

    fn values(&self, topic: &str) -> String {
        format!(
            "send:
  mqtt: {{url: \"mqtt://{}\"}}
  kafka: {{brokers: \"{}\"}}
  store: {{url: \"s3://{}/lobby\", endpoint: \"{}\", access_key_id: {}, secret_access_key: {{secretKeyRef: {{name: s3, key: secret}}}}}}
route: {{default: {{kafka_topic: \"{topic}.{{person_type}}\"}}}}",
            self.mosquitto.address(),
            Broker::shared().address(),
            s3::BUCKET,
            self.store.endpoint(),
            s3::KEY_ID,
        )
    }
}

/// On both buses and in the bucket, and on the history feed: nobody may act on it.
fn passes(installed: &Installed) {
    let said = installed
        .helm_test(str::to_owned)
        .unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("1 events sent, 1 acknowledged"), "{said}");

    for place in ["mqtt", "kafka", "store"] {
        let line = said
            .lines()
            .find(|line| line.starts_with(place))
            .unwrap_or_else(|| panic!("no {place}: {said}"));
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(words[1] == words[3] && words[1] != "0", "not all: {said}");
    }

    // In mode cluster it is sent again until Kafka has it in time.
    let of_feed = |feed| {
        let accepted = [("feed", feed), ("outcome", "accepted")];
        let gateway = &installed.gateway;
        gateway.sum("boxbridge_ingest_events_total", &accepted)
    };
    assert!(of_feed("history") >= 1.0 && of_feed("realtime") == 0.0);
}

#[test]
fn helm_test_posts_an_event_and_reads_it_back_from_both_buses_and_the_bucket() {
    let places = Places::start();
    passes(&Installed::with(&places.values("helm-test")));
}

#[test]
fn helm_test_does_so_in_mode_cluster() {
    let places = Places::start();
    let values = places.values("helm-test-cluster");
    let installed = Installed::with(&format!("mode: cluster\n{values}"));
    assert!(
        installed
            .rendered
            .settings()
            .contains("answer_from = \"kafka\"")
    );
    passes(&installed);
}

#[test]
fn helm_test_fails_where_nothing_arrives() {
    let (mosquitto, elsewhere) = (Mosquitto::start(), Mosquitto::start());
    let mut installed = Installed::with(&format!(
        "send: {{mqtt: {{url: \"mqtt://{}\"}}}}",
        mosquitto.address()
    ));
    let listen_elsewhere = format!(
        "export BOXBRIDGE_SEND__MQTT__URL=mqtt://{}\n",
        elsewhere.address()
    );
    let said = installed
        .helm_test(|script| listen_elsewhere + &script.replace("--for 60s", "--for 3s"))
        .unwrap_err();
    assert!(said.contains("0 of 1 received"), "{said}");
    installed.gateway.kill();

    let said = installed
        .helm_test(|script| script.replace("--for 60s", "--for 3s"))
        .unwrap_err();
    assert!(said.contains("nobody answered at "), "{said}");
}
