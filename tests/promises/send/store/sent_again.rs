//! Pictures that a store refused are sent to it again once it takes them, and from then on events say so.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Value, json};

use super::server;
use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, refusing};
use crate::parts::site::{base64, jpeg, wait_until};

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
