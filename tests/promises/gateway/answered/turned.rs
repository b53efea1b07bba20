//! A gateway of mode edge that becomes one of a cluster, step by step as docs/scale.md tells it, and one of mode edge again.

use serde_json::Value;

use super::{from_disk, pictured};
use crate::parts::gateway::Gateway;
use crate::parts::s3;
use crate::send::group::doors::{Doors, PARTITIONS, all_of};

/// What each step changes.
#[derive(Clone, Copy)]
struct Step {
    from: &'static str,
    store: &'static str,
    answer_from: &'static str,
}

const EDGE: Step = Step {
    from: "queue",
    store: "file:",
    answer_from: "disk",
};
const FED: Step = Step {
    from: "kafka",
    ..EDGE
};
const STORED: Step = Step {
    store: "s3://faces/lobby",
    ..FED
};
const CLUSTER: Step = Step {
    answer_from: "kafka",
    ..STORED
};
/// And back.
const FED_BY_QUEUE: Step = Step {
    from: "queue",
    ..CLUSTER
};
const EDGE_AGAIN: Step = Step {
    answer_from: "disk",
    ..FED_BY_QUEUE
};

struct Turned {
    doors: Doors,
    bucket: s3::Server,
    folder: tempfile::TempDir,
}

impl Turned {
    fn write(&self, step: Step) -> String {
        let Step {
            from,
            store,
            answer_from,
        } = step;
        let (file, secret) = (
            self.folder.path().join("settings.toml"),
            self.folder.path().join("secret"),
        );
        std::fs::write(&secret, s3::SECRET).unwrap();
        let text = format!(
            "[queue]\nanswer_from = \"{answer_from}\"\n[route.default]\nkafka_topic = \"turned.{{person_type}}\"\n\
             [send.turned]\nkind = \"mqtt\"\nfrom = \"{from}\"\n[send.store]\nurl = \"{store}\"\nendpoint = \"{}\"\n\
             access_key_id = \"{}\"\nsecret_access_key_file = \"{}\"\n",
            self.bucket.endpoint(),
            s3::KEY_ID,
            secret.display(),
        );
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    /// By a restart, as each of them wants.
    fn take(&self, step: Step, gateway: &mut Gateway) {
        self.write(step);
        assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
        gateway.restart();
    }
}

fn post(gateway: &Gateway, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| gateway.take("/RealTimeEvent", &pictured(number)));
}

/// As its last step says: nothing is left on the disk of a gateway that stops.
fn assert_empty(gateway: &mut Gateway) {
    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let log = gateway.log();
    assert!(log.contains("everything that waited is delivered"), "{log}");
    let (status, code) = gateway.run(&["queue", "status"]);
    assert_eq!(code, Some(0), "{status}");
    let lanes = status.lines().skip_while(|it| !it.contains("waiting"));
    let waiting: Vec<_> = lanes
        .skip(1)
        .map(|it| it.split_whitespace().last().unwrap())
        .collect();
    assert_eq!(waiting, ["0"; 6], "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_edge_to_cluster_and_back_step_by_step_nothing_is_left_behind() {
    let mut turned = tokio::task::block_in_place(|| Turned {
        doors: Doors::new("turned"),
        bucket: s3::Server::start(),
        folder: tempfile::tempdir().unwrap(),
    });
    let mut subscriber = turned.doors.subscriber().await;
    let mut gateway = tokio::task::block_in_place(|| {
        let mut gateway = turned.doors.start_by_file(&turned.write(EDGE));
        turned.doors.mosquitto.stop();
        post(&gateway, 0..20);
        turned.take(FED, &mut gateway);
        post(&gateway, 20..40);
        turned.doors.mosquitto.run();
        turned.take(STORED, &mut gateway);
        post(&gateway, 40..60);
        turned.take(CLUSTER, &mut gateway);
        post(&gateway, 60..80);
        assert_eq!(from_disk(&gateway, &[]), 0.0);
        assert_empty(&mut gateway);
        gateway.restart();
        turned
            .doors
            .wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        post(&gateway, 80..100);
        gateway
    });
    for message in all_of(&mut subscriber, 0..100).await {
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let uri = event["pictures"]["scene"]["uri"].as_str().unwrap();
        let place = match uri.strip_prefix("s3://faces/") {
            Some(key) => turned.bucket.file(key),
            None => uri.strip_prefix("file://").unwrap().into(),
        };
        assert!(place.exists(), "{uri}");
    }

    tokio::task::block_in_place(|| {
        turned.take(FED_BY_QUEUE, &mut gateway);
        post(&gateway, 100..120);
        turned.take(EDGE_AGAIN, &mut gateway);
        post(&gateway, 120..140);
    });
    all_of(&mut subscriber, 100..140).await;
}
