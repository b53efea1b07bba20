//! A bucket as the store: byte by byte, under the names that events give, and waited for when it is down or not ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use boxbridge::send::{Destination, Session};
use boxbridge_config::{Secret, StoreUrl};
use boxbridge_event::{Lane, Object, PictureKind, Sequence};
use object_store::ObjectStoreExt;
use serde_json::{Value, json};

use super::{bucket, bucket_store, object, server, settle};
use crate::parts::PATIENCE;
use crate::parts::certificates::Certificates;
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event, get};
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, Server};
use crate::parts::subscriber::Subscriber;
use crate::send::session::{acknowledged, answer_or_loss, lost, next};

#[tokio::test]
async fn a_bucket_holds_the_pictures_byte_by_byte_with_their_media_type() {
    let server = server().await;
    let store = bucket_store(&server, |_| {});
    store.probe().await.unwrap();

    let objects = [
        object(PictureKind::Registered, 1, 5_000),
        object(PictureKind::Scene, 2, 400_000),
    ];
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), objects.to_vec());
    assert_eq!(next(&mut session).await, acknowledged(1));

    for object in &objects {
        assert_eq!(
            std::fs::read(server.file(&format!("site/one/{}", object.key))).unwrap(),
            object.bytes
        );
        assert_eq!(
            server.media_type(&format!("site/one/{}", object.key)),
            "image/jpeg"
        );
        assert!(store.exists(&object.key).await.unwrap());
    }
    assert!(!store.exists("registered/aa/none.jpg").await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn key_uri_and_url_of_an_event_name_the_object_whatever_the_prefix_is_made_of() {
    let server = server().await;
    // What people put before a bucket.
    let cdn = web_server(server.file("")).await;
    let mqtt = format!("127.0.0.1:{}", free_port());
    // object_store encodes a part of this, and drops the empty part.
    let gateway = Gateway::start(&[
        (
            "SEND__STORE__URL",
            &format!("s3://{BUCKET}/lobby~1//Büro 2"),
        ),
        ("SEND__STORE__ENDPOINT", &server.endpoint()),
        ("SEND__STORE__ACCESS_KEY_ID", KEY_ID),
        ("SEND__STORE__SECRET_ACCESS_KEY", SECRET),
        ("SEND__STORE__PUBLIC_URL", &format!("http://{cdn}/faces/")),
        ("SEND__MQTT__EMBEDDED__LISTEN", &mqtt),
    ]);
    let mut subscriber = Subscriber::start(mqtt.parse().unwrap(), "boxbridge/+/events/#").await;
    let mut body = event("1", json!(2), "192.168.1.9");
    body["ext_data"]["spot_pic"] = json!("QSBmYWNlLCBhcyBmYXIgYXMgdGhpcyB0ZXN0IGdvZXMu");
    gateway.take("/RealTimeEvent", &body);
    let payload: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
    let picture = &payload["pictures"]["scene"];
    assert_eq!(picture["stored"], true, "{picture}");
    let content = "A face, as far as this test goes.";

    let key = picture["key"].as_str().unwrap();
    let bucket =
        boxbridge_connect::bucket::open(&bucket(server.endpoint()), PATIENCE, PATIENCE).unwrap();
    let object = bucket
        .get(&object_store::path::Path::parse(key).unwrap())
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(object, content);
    assert_eq!(picture["uri"], format!("s3://{BUCKET}/{key}"));
    let url = picture["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{cdn}")).unwrap();
    assert_eq!(
        tokio::task::block_in_place(|| get(cdn, path)),
        content,
        "{url}"
    );
}

/// Serves the files of a folder below `/faces`.
async fn web_server(folder: PathBuf) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |uri: axum::http::Uri| async move {
        let mut path = Vec::new();
        let mut bytes = uri.path().trim_start_matches("/faces/").bytes();
        while let Some(byte) = bytes.next() {
            let digits: Vec<u8> = if byte == b'%' {
                bytes.by_ref().take(2).collect()
            } else {
                Vec::new()
            };
            path.push(
                std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .unwrap_or(byte),
            );
        }
        std::fs::read(folder.join(String::from_utf8(path).unwrap()))
            .unwrap_or_else(|error| error.to_string().into_bytes())
    };
    let router = axum::Router::new().fallback(serve);

    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_store_killed_in_the_middle_gets_every_picture_when_it_is_back() {
    let mut server = server().await;
    let store = bucket_store(&server, |config| config.timeout = Duration::from_secs(2));
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let objects: Vec<_> = (1..=60)
        .map(|number| object(PictureKind::Scene, number, 20_000))
        .collect();
    for (object, number) in objects.iter().zip(1..) {
        session.submit(Sequence(number), vec![object.clone()]);
    }

    let mut open: BTreeMap<u64, Object> = (1..).zip(objects.clone()).collect();
    for _ in 0..10 {
        settle(&answer_or_loss(&mut session).await, &mut open);
    }
    server.kill();
    while settle(&answer_or_loss(&mut session).await, &mut open) {}

    let error = store.connect(Lane::Normal).await.err().unwrap().to_string();
    assert!(error.contains("onnect"), "{error}");
    let server = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    let server = server.await.unwrap();
    let mut session = store.connect(Lane::Normal).await.unwrap();
    for (number, object) in &open {
        session.submit(Sequence(*number), vec![object.clone()]);
    }

    while !open.is_empty() {
        assert!(settle(&answer_or_loss(&mut session).await, &mut open));
    }
    for object in objects {
        assert_eq!(
            std::fs::read(server.file(&format!("site/one/{}", object.key))).unwrap(),
            object.bytes
        );
    }
}

#[tokio::test]
async fn a_store_that_falls_silent_loses_the_session() {
    let mut server = server().await;
    let store = bucket_store(&server, |config| config.timeout = Duration::from_secs(1));
    let mut session = store.connect(Lane::Normal).await.unwrap();
    server.pause();
    session.submit(Sequence(1), vec![object(PictureKind::Face, 1, 1_000)]);
    let error = lost(&mut session).await.error;
    assert!(error.starts_with("store: "), "{error}");
    server.resume();
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), vec![object(PictureKind::Face, 1, 1_000)]);
    assert_eq!(next(&mut session).await, acknowledged(1));
}

#[tokio::test]
async fn a_bucket_that_is_not_ours_to_write_is_waited_for_and_says_why() {
    let server = server().await;
    let refused = |change: fn(&mut boxbridge_config::Bucket)| {
        let store = bucket_store(&server, |config| {
            if let StoreUrl::S3(bucket) = &mut config.url {
                change(bucket);
            }
        });
        async move { store.connect(Lane::Normal).await.err().unwrap().to_string() }
    };
    let error = refused(|bucket| bucket.name = "elsewhere".to_owned()).await;
    assert!(error.contains("NoSuchBucket"), "{error}");

    let error =
        refused(|bucket| bucket.credentials = Some((KEY_ID.to_owned(), Secret::new("wrong"))))
            .await;
    assert!(
        error.contains("SignatureDoesNotMatch") && !error.contains("wrong"),
        "{error}"
    );

    let error =
        refused(|bucket| bucket.credentials = Some(("nobody".to_owned(), Secret::new(SECRET))))
            .await;
    assert!(
        error.contains("InvalidAccessKeyId") && !error.contains(SECRET),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_behind_an_authority_of_its_own_is_trusted_by_its_ca_file_alone() {
    let certificates = Certificates::make();
    let server = tokio::task::block_in_place(|| Server::start_showing(&certificates));
    let trusting = |ca_file| {
        bucket_store(&server, |config| {
            if let StoreUrl::S3(bucket) = &mut config.url {
                bucket.ca_file = ca_file;
            }
        })
    };
    trusting(Some(certificates.authority()))
        .probe()
        .await
        .unwrap();

    let error = trusting(None).probe().await.unwrap_err().to_string();
    assert!(
        error.contains("certificate")
            && error.contains("(send.store.ca_file does not hold the authority"),
        "{error}"
    );
}
