//! Pictures that are sent again: to a store that refused them, after which events say so; and in messages that carry them.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::server;
use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, refusing};
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::subscriber::Subscriber;

/// The newest event, as consumers would get it now.
fn newest(gateway: &Gateway) -> Value {
    let stream = TcpStream::connect(gateway.admin).unwrap();
    let host = gateway.admin;
    let request = format!("GET /api/events?limit=1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = exchange(stream, request.as_bytes()).unwrap();
    answer.body["events"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_the_bucket_takes_after_all_is_said_to_be_stored() {
    let narrow = refusing(Arc::new(AtomicUsize::new(10_000))).await;
    let server = server().await;

    tokio::task::block_in_place(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("boxbridge.toml");
        let at = |endpoint: &str| {
            let text = format!("[send.store]\nendpoint = \"{endpoint}\"\n");
            std::fs::write(&file, text).unwrap();
        };
        at(&narrow);
        let mut gateway = Gateway::start(&[
            ("CONFIG", file.to_str().unwrap()),
            ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
            ("SEND__STORE__URL", &format!("s3://{BUCKET}/lobby")),
            ("SEND__STORE__ACCESS_KEY_ID", KEY_ID),
            ("SEND__STORE__SECRET_ACCESS_KEY", SECRET),
        ]);

        let mut body = event("1", json!(2), "192.168.1.9");
        body["ext_data"]["spot_pic"] = base64(&jpeg(1, 20_000));
        gateway.take("/RealTimeEvent", &body);
        wait_until("it is refused", || gateway.ledger("store").set_aside == 1);
        assert_eq!(newest(&gateway)["pictures"]["scene"]["state"], "missing");

        assert_eq!(gateway.stop(), Some(0));
        at(&server.endpoint());
        gateway.restart();
        let (said, code) = gateway.run(&["aside", "resend", "--destination", "store"]);
        assert_eq!(code, Some(0), "{said}");
        let scene = newest(&gateway)["pictures"]["scene"].clone();
        assert_eq!(
            (&scene["state"], &scene["stored"]),
            (&json!("ok"), &json!(true)),
            "{scene}"
        );
        let key = scene["key"].as_str().unwrap();
        assert_eq!(std::fs::read(server.file(key)).unwrap(), jpeg(1, 20_000));

        assert_eq!(gateway.stop(), Some(0));
        gateway.restart();
        assert_eq!(newest(&gateway)["pictures"]["scene"]["state"], "ok");
    });
}

/// An event of a visitor with this picture.
fn visitor(gateway: &Gateway, identity: &str, picture: &[u8]) {
    let mut body = event(identity, json!(2), "192.168.1.9");
    body["ext_data"]["spot_pic"] = base64(picture);
    gateway.take("/RealTimeEvent", &body);
}

/// The scene of the next event of a visitor.
async fn scene(subscriber: &mut Subscriber) -> Value {
    let message = subscriber.receive_one().await;
    let event: Value = serde_json::from_slice(&message.payload).unwrap();
    assert!(event["replay"].is_string(), "{event}");
    event["pictures"]["scene"].clone()
}

fn wide_and_narrow() -> [Settings<'static>; 2] {
    let narrow = Settings {
        lines: &["message_size_limit 5000"],
        ..Settings::default()
    };
    [Settings::default(), narrow]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_aside_event_with_inline_pictures_is_sent_again_with_them() {
    let [wide, narrow] = wide_and_narrow();
    let mut mosquitto = Mosquitto::with(&narrow);
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = tokio::task::block_in_place(|| {
        let gateway = Gateway::start(&[
            ("SEND__MQTT__URL", &url),
            ("ROUTE__VISITOR__PICTURES", "inline"),
        ]);
        visitor(&gateway, "1", &jpeg(1, 20_000));
        wait_until("it is refused", || gateway.ledger("mqtt").set_aside == 1);
        mosquitto.stop();
        mosquitto.run_with(&wide);
        gateway
    });

    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/late/visitor/#").await;
    tokio::task::block_in_place(|| {
        let (said, code) = gateway.run(&["aside", "resend"]);
        assert_eq!(code, Some(0), "{said}");
    });
    let scene = scene(&mut subscriber).await;
    assert_eq!(scene["base64"], base64(&jpeg(1, 20_000)));
}

/// What the first segment of the log occupies.
fn first_segment_bytes(gateway: &Gateway) -> u64 {
    let queue = gateway.data_dir().join("queue");
    let segments = std::fs::read_dir(queue)
        .unwrap()
        .map(|it| it.unwrap().path());
    let segments = segments.filter(|path| path.to_str().unwrap().contains("/segment-"));
    let first = segments.min().unwrap();
    std::fs::metadata(first).unwrap().blocks() * 512
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_has_the_inline_pictures_that_the_log_gave_up() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxbridge.toml");
    let by_route = |pictures: &str| {
        let text = format!("[route.visitor]\npictures = \"{pictures}\"\n");
        std::fs::write(&file, text).unwrap();
    };
    by_route("store");
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/late/visitor/#").await;

    tokio::task::block_in_place(|| {
        let gateway = Gateway::start(&[
            ("CONFIG", file.to_str().unwrap()),
            (
                "SEND__MQTT__URL",
                &format!("mqtt://{}", mosquitto.address()),
            ),
            // A segment is a sixteenth of it.
            ("QUEUE__MAX_BYTES", "256MiB"),
        ]);
        visitor(&gateway, "1", &jpeg(1, 20_000));
        for number in 0..40 {
            let mut body = event(&number.to_string(), json!(1), "192.168.1.9");
            body["ext_data"]["spot_pic"] = base64(&jpeg(100 + number, 900_000));
            gateway.take("/RealTimeEvent", &body);
        }
        wait_until("the log has given them up", || {
            first_segment_bytes(&gateway) < 1 << 20
        });

        by_route("inline");
        let (said, code) = gateway.run(&["reload"]);
        assert_eq!(code, Some(0), "{said}");
        let replay = [
            "queue",
            "replay",
            "--from",
            "1h ago",
            "--person-type",
            "visitor",
        ];
        let (said, code) = gateway.run(&replay);
        assert_eq!(code, Some(0), "{said}");
    });
    let scene = scene(&mut subscriber).await;
    assert_eq!(scene["base64"], base64(&jpeg(1, 20_000)));
}
