//! A stop where the disk may go with the gateway: what lies beside its log goes to Kafka, as far as the routes of that cluster let it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::{FROM_KAFKA, pictured};
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::{Broker, Received};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::s3;
use crate::parts::site::{base64, jpeg, wait_until};

const ASIDE: &str = "boxbridge.aside";
const VISITOR: u8 = 2;
const VIP: u8 = 5;
/// As many bytes as an event of a visitor may have on Kafka.
const TOPIC_MAX: &str = "6000";

/// A gateway whose Kafka refuses long visitors, whose broker refuses VIPs, and whose store refuses every picture.
struct Refused {
    gateway: Gateway,
    site: &'static str,
    _mosquitto: Mosquitto,
}

impl Refused {
    async fn start(site: &'static str, more: &[(&str, &str)]) -> Refused {
        let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
        let visitors = format!("{site}.visitor");
        let limit = ("max.message.bytes", TOPIC_MAX);
        broker.make_topic(&visitors, 1, &[limit]).await;
        let store = s3::refusing(Arc::new(AtomicUsize::new(1_000))).await;
        tokio::task::block_in_place(|| Refused::started(site, &store, more))
    }

    fn started(site: &'static str, store: &str, more: &[(&str, &str)]) -> Refused {
        let mosquitto = Mosquitto::with(&Settings {
            acl: "topic readwrite +/+/events/visitor/#\ntopic readwrite +/+/events/employee/#\n",
            ..Settings::default()
        });
        let settings = [
            FROM_KAFKA,
            ("SITE", site),
            (
                "SEND__MQTT__URL",
                &format!("mqtt://{}", mosquitto.address()),
            ),
            ("SEND__MQTT__STATUS_TOPIC", ""),
            ("SEND__KAFKA__BROKERS", &Broker::shared().address()),
            (
                "ROUTE__DEFAULT__KAFKA_TOPIC",
                &format!("{site}.{{person_type}}"),
            ),
            ("SEND__STORE__URL", "s3://faces"),
            ("SEND__STORE__ENDPOINT", store),
            ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
            ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET),
        ];
        let gateway = Gateway::start(&[&settings, more].concat());
        Refused {
            gateway,
            site,
            _mosquitto: mosquitto,
        }
    }

    /// One event for each that refuses, and one body that is none.
    fn refuse_each(&self) {
        let mut long = event("canary-long", json!(VISITOR), "gate-1");
        long["ext_data"]["remark"] = json!("x".repeat(10_000));
        self.gateway.take("/RealTimeEvent", &long);
        let vip = event("canary-vip", json!(VIP), "gate-2");
        self.gateway.take("/RealTimeEvent", &vip);
        self.gateway.take("/RealTimeEvent", &pictured(1));

        let answer = self.gateway.post_bytes("/RealTimeEvent", self.nonsense());
        assert_eq!(answer.status, 400);
        wait_until("each has refused one", || {
            let of = |destination| self.gateway.ledger(destination).set_aside;
            of("kafka") == 1 && of("mqtt") == 1 && of("store") == 1
        });
    }

    fn nonsense(&self) -> &'static [u8] {
        match self.site {
            "rescued" => b"{nonsense of rescued",
            "rescued-redacted" => b"{nonsense of redacted",
            _ => b"{nonsense",
        }
    }

    fn is_ours(&self) -> impl Fn(&Received) -> bool + Send + 'static {
        let (key, nonsense) = (format!("{}/", self.site), self.nonsense());
        move |it| it.key.starts_with(&key) || it.payload == nonsense
    }

    /// Those on the topic, once there are so many.
    async fn on_topic(&self, count: usize) -> Vec<Received> {
        let is_ours = self.is_ours();
        let enough = move |all: &[Received]| all.iter().filter(|it| is_ours(it)).count() >= count;
        let found = Broker::shared().read_until(ASIDE, "what was refused", enough);
        found.await.into_iter().filter(self.is_ours()).collect()
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.gateway.data_dir().join(folder)).unwrap();
        folder.map(|entry| entry.unwrap().path()).collect()
    }
}

/// By what refused them: the destination's name, or the code.
fn by_refusal(found: Vec<Received>) -> BTreeMap<String, Received> {
    let why = |it: &Received| {
        let destination = it.headers.get("boxbridge_destination");
        destination
            .unwrap_or(&it.headers["boxbridge_reason"])
            .clone()
    };
    found.into_iter().map(|it| (why(&it), it)).collect()
}

fn document(received: &Received) -> Value {
    serde_json::from_slice(&received.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_no_set_aside_event_and_no_refused_body_on_a_disk_that_goes() {
    let mut refused = Refused::start("rescued", &[]).await;
    tokio::task::block_in_place(|| {
        refused.refuse_each();
        assert_eq!(refused.gateway.stop(), Some(0), "{}", refused.gateway.log());
        assert_eq!(refused.files("aside"), Vec::<PathBuf>::new());
        assert_eq!(refused.files("quarantine"), Vec::<PathBuf>::new());
    });
    let log = refused.gateway.log();
    assert!(log.contains("everything that waited is delivered"), "{log}");
    for words in ["\"set_aside\":3", "\"from_quarantine\":1"] {
        assert!(log.contains(words), "{words}: {log}");
    }

    let found = by_refusal(refused.on_topic(4).await);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["json_invalid", "kafka", "mqtt", "store"]
    );
    let long = document(&found["kafka"]);
    assert_eq!(long["identity"]["id"], "canary-long");
    assert_eq!(found["kafka"].headers["boxbridge_reason"], "too_large");
    assert_eq!(document(&found["mqtt"])["identity"]["id"], "canary-vip");
    assert_eq!(
        found["mqtt"].headers["boxbridge_topic"],
        "boxbridge/rescued/events/vip/gate-2"
    );
    let scene = &document(&found["store"])["pictures"]["scene"];
    assert_eq!(
        scene["base64"],
        base64(&jpeg(1, 20_000)),
        "the store has it not"
    );
    assert_eq!(scene["state"], "missing");
    for destination in ["kafka", "mqtt", "store"] {
        let message = &found[destination];
        let event = document(message);
        assert_eq!(event["act_before"], Value::Null, "nobody acts on it");
        assert_eq!(
            message.headers["ce_replay"],
            event["replay"].as_str().unwrap()
        );
    }

    let body = &found["json_invalid"];
    assert_eq!(body.payload, refused.nonsense());
    assert_eq!(body.headers["boxbridge_peer"], "127.0.0.1");
    assert_eq!(body.headers["boxbridge_feed"], "realtime");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_at_a_stop_that_the_routes_of_the_cluster_leave_out() {
    let names = ("ROUTE__KAFKA__DEFAULT__REDACT", "identity.name");
    let mut refused = Refused::start("rescued-redacted", &[names]).await;
    tokio::task::block_in_place(|| {
        refused.refuse_each();
        assert_eq!(refused.gateway.stop(), Some(0), "{}", refused.gateway.log());
    });

    let left: Vec<_> = refused.files("aside");
    let is_of = |it: &PathBuf, name| it.to_str().unwrap().contains(name);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.iter().any(|it| is_of(it, "-kafka-")), "{left:?}");
    assert_eq!(refused.files("quarantine").len(), 1);
    let log = refused.gateway.log();
    for words in [
        "the stop leaves events behind",
        "\"set_aside\":2,\"in_quarantine\":1,\"because\":\"redacted 3\"",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }

    let found = refused.on_topic(1).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let event = document(&found[0]);
    assert_eq!(found[0].headers["boxbridge_destination"], "kafka");
    assert_eq!(
        event["identity"],
        json!({"id": "canary-long", "name": null})
    );
}

/// A gateway with a disk that stays sends them after the next start.
#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_does_not_take_within_the_limit_stays_and_is_counted_and_a_face_embedding_always()
 {
    let store = s3::refusing(Arc::new(AtomicUsize::new(1_000))).await;
    tokio::task::block_in_place(|| {
        let nobody = [
            ("SEND__KAFKA__BROKERS", "127.0.0.1:9"),
            ("QUEUE__DRAIN_LIMIT", "1s"),
        ];
        let mut away = Refused::started("rescued-away", &store, &nobody);
        away.gateway.post_bytes("/RealTimeEvent", away.nonsense());
        assert_eq!(away.gateway.stop(), Some(0), "{}", away.gateway.log());
        assert_eq!(away.files("quarantine").len(), 1);
        let log = away.gateway.log();
        assert!(log.contains("\"in_quarantine\":1"), "{log}");

        let mut there = Refused::started("rescued-embedding", &store, &[]);
        let bodies: [&[u8]; 3] = [
            br#"{"info":{"feature":"AAAA"#,
            br#"{"info":{"f\u0065ature":"AAAA"#,
            b"\x1f\x8b\x08packed",
        ];
        for body in bodies {
            there.gateway.post_bytes("/RealTimeEvent", body);
        }
        assert_eq!(there.gateway.stop(), Some(0), "{}", there.gateway.log());
        assert_eq!(there.files("quarantine").len(), bodies.len());
        let log = there.gateway.log();
        assert!(log.contains("\"because\":\"embedding 3\""), "{log}");
    });
}
