//! A second store beside the one called `store`: it gets a copy of every picture, however long it is down, and holds back no message.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, Ledger, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, Server};
use crate::parts::site::{base64, files, jpeg, wait_until};
use crate::parts::subscriber::Subscriber;

/// Enough for some segments of the smallest queue.
const EVENTS: u64 = 100;
const PICTURE_BYTES: usize = 900_000;
const PICTURES_BYTES: u64 = EVENTS * PICTURE_BYTES as u64;
/// A segment is a sixteenth of it.
const QUEUE: (&str, &str) = ("QUEUE__MAX_BYTES", "256MiB");

/// A folder as the store, and a bucket as its copy.
struct Twice {
    gateway: Gateway,
    archive: Server,
    mosquitto: Mosquitto,
}

impl Twice {
    /// Begins with the copy down.
    fn start() -> Twice {
        let (mut archive, mosquitto) = (Server::start(), Mosquitto::start());
        archive.kill();
        let gateway = Gateway::start(&[
            QUEUE,
            // Long: messages wait for the store, and would for the copy.
            ("ROUTE__BLACKLIST__PICTURE_WAIT", "50s"),
            (
                "SEND__MQTT__URL",
                &format!("mqtt://{}", mosquitto.address()),
            ),
            ("SEND__ARCHIVE__KIND", "store"),
            ("SEND__ARCHIVE__URL", &format!("s3://{BUCKET}")),
            ("SEND__ARCHIVE__ENDPOINT", &archive.endpoint()),
            ("SEND__ARCHIVE__ACCESS_KEY_ID", KEY_ID),
            ("SEND__ARCHIVE__SECRET_ACCESS_KEY", SECRET),
        ]);

        Twice {
            gateway,
            archive,
            mosquitto,
        }
    }

    /// One event each, every third an alert.
    fn post(&self, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            let person_type = if number.is_multiple_of(3) { 3 } else { 2 };
            let mut body = event(&number.to_string(), json!(person_type), "192.168.1.9");
            body["ext_data"]["spot_pic"] = base64(&jpeg(number, PICTURE_BYTES));
            self.gateway.take("/RealTimeEvent", &body);
        }
    }

    fn waiting(&self, destination: &str) -> u64 {
        self.gateway.ledger(destination).waiting
    }

    /// What the log occupies of its disk.
    fn log_bytes(&self) -> u64 {
        let entries = std::fs::read_dir(self.gateway.data_dir().join("queue")).unwrap();
        let sizes =
            entries.map(|entry| entry.unwrap().metadata().map_or(0, |it| it.blocks() * 512));
        sizes.sum()
    }

    /// A copy holds what the folder holds, byte by byte.
    fn pictures_are_twice(&self) {
        let mut pictures = files(&self.gateway.pictures());
        pictures.retain(|key, _| key.ends_with(".jpg"));
        assert_eq!(pictures.len() as u64, EVENTS);
        for (key, bytes) in pictures {
            let copy = std::fs::read(self.archive.file(&key));
            assert!(copy.is_ok_and(|copy| copy == bytes), "{key}");
        }
    }
}

/// Waits until so many events have come, each once its picture was in the folder.
async fn all_come(subscriber: &mut Subscriber, count: u64) {
    let mut came = BTreeSet::new();
    // A kill repeats some.
    while (came.len() as u64) < count {
        let message = subscriber.receive_one().await;
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        // The gateway's own status is none.
        let Some(scene) = event["pictures"].get("scene") else {
            continue;
        };
        let uri = scene["uri"].as_str().unwrap();
        assert!(
            uri.starts_with("file://") && scene["stored"] == true,
            "{scene}"
        );
        came.insert(event["identity"]["id"].to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_down_gets_every_picture_from_the_log_which_keeps_them_until_then() {
    let mut twice = tokio::task::block_in_place(Twice::start);
    let mut subscriber = Subscriber::start(twice.mosquitto.address(), "boxbridge/+/+/#").await;
    tokio::task::block_in_place(|| {
        twice.post(1..=EVENTS / 2);
        wait_until("the store has them", || twice.waiting("store") == 0);
        twice.gateway.kill_and_restart();
        twice.post(EVENTS / 2 + 1..=EVENTS);
        wait_until("the store has them", || twice.waiting("store") == 0);
    });

    // Messages go out once the store has their pictures, whatever the copy does.
    all_come(&mut subscriber, EVENTS).await;
    assert_eq!(twice.waiting("archive"), EVENTS);
    tokio::task::block_in_place(|| {
        twice.gateway.kill_and_restart();
        // The stimulus: the keeper has the time to punch what it takes for passed, which is nothing.
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(twice.log_bytes() > PICTURES_BYTES, "{}", twice.log_bytes());

    tokio::task::block_in_place(|| {
        twice.archive.restart();
        wait_until("the copy has some", || twice.waiting("archive") < EVENTS);
        twice.gateway.kill_and_restart();
        wait_until("the copy has them", || twice.waiting("archive") == 0);
    });
    twice.pictures_are_twice();
    for destination in ["store", "archive", "mqtt"] {
        let ledger = Ledger {
            accepted: EVENTS,
            delivered: EVENTS,
            ..Ledger::default()
        };
        assert_eq!(twice.gateway.ledger(destination), ledger, "{destination}");
    }
    // All but those of the segment that is written to.
    tokio::task::block_in_place(|| {
        wait_until("the pictures are punched out of the log", || {
            twice.log_bytes() < PICTURES_BYTES / 2
        });
        assert_eq!(twice.gateway.stop(), Some(0));
    });
    let (said, code) = tokio::task::block_in_place(|| twice.gateway.run(&["queue", "verify"]));
    assert_eq!(code, Some(0), "{said}");
}
