//! The picture store, as a folder and as a real S3 server: byte-exact, once, within its budget, and waited for when it is down.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use boxbridge::send::store::Store;
use boxbridge::send::{Answer, Destination, Lost, Session};
use boxbridge::system::clock::{Clock, Reading};
use boxbridge::system::disk::Disk;
use boxbridge_config::{Secret, StoreUrl};
use boxbridge_event::{Lane, Object, PictureKind, Sequence, Timestamp};
use object_store::ObjectStoreExt;
use serde_json::{Value, json};

use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event, get};
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, Server};
use crate::parts::subscriber::Subscriber;

mod batches;
mod moves;
mod one_picture;

const WAIT: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_folder_holds_the_pictures_byte_by_byte() {
    let (directory, store) = folder_store(1 << 30);
    let objects = [
        object(PictureKind::Registered, 1, 5_000),
        object(PictureKind::Scene, 2, 70_000),
        object(PictureKind::Face, 3, 0),
    ];
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(7), objects.to_vec());
    session.submit(Sequence(8), Vec::new());
    let answers = answers(&mut session, 2).await;
    assert_eq!(
        answers,
        BTreeMap::from([(7, acknowledged(7)), (8, acknowledged(8))])
    );
    let root = directory.path().join("pictures");
    for object in &objects {
        assert_eq!(std::fs::read(root.join(&object.key)).unwrap(), object.bytes);
        assert!(store.exists(&object.key).await.unwrap());
    }
    assert!(!store.exists("registered/aa/none.jpg").await.unwrap());
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_same_picture_is_written_once_a_day() {
    let (directory, store) = folder_store(1 << 30);
    let object = object(PictureKind::Registered, 1, 5_000);
    let path = directory.path().join("pictures").join(&object.key);
    let mut urgent = store.connect(Lane::Urgent).await.unwrap();
    let mut normal = store.connect(Lane::Normal).await.unwrap();
    for number in 1..=20 {
        urgent.submit(Sequence(number), vec![object.clone()]);
        normal.submit(Sequence(number), vec![object.clone()]);
    }
    assert_eq!(
        answers(&mut urgent, 20).await.len() + answers(&mut normal, 20).await.len(),
        40
    );
    // A second store of it would have to write it.
    std::fs::remove_file(&path).unwrap();
    normal.submit(Sequence(21), vec![object]);
    assert_eq!(next(&mut normal).await, acknowledged(21));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_full_folder_takes_what_it_has_already_and_ends_the_rest_by_its_rule() {
    // A picture of 9,000 bytes takes three blocks and its entry, and each folder one; a small one takes one.
    let (_directory, store) = folder_store(40_000);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), vec![object(PictureKind::Scene, 1, 9_000)]);
    assert_eq!(next(&mut session).await, acknowledged(1));
    session.submit(
        Sequence(2),
        vec![
            object(PictureKind::Scene, 1, 9_000),
            object(PictureKind::Face, 2, 9_000),
        ],
    );
    let Answer::Expired {
        sequence,
        rule,
        verdict,
    } = next(&mut session).await
    else {
        panic!("not expired")
    };
    assert_eq!((sequence, rule), (Sequence(2), "max_bytes"));
    assert!(
        verdict.not_stored.contains(PictureKind::Face)
            && !verdict.not_stored.contains(PictureKind::Scene)
    );
    assert!(verdict.missing.is_empty());
    session.submit(Sequence(3), vec![object(PictureKind::Face, 3, 900)]);
    assert_eq!(next(&mut session).await, acknowledged(3));
}

#[tokio::test]
async fn what_lies_there_at_the_start_counts() {
    let (directory, store) = folder_store(10_000);
    write(
        &directory.path().join("pictures/scene/2020/01/01/old.jpg"),
        9_500,
        Duration::ZERO,
    );
    let mut session = store.connect(Lane::Normal).await.unwrap();
    assert!(store.sweep(&clock(directory.path()).0).await.unwrap());
    session.submit(Sequence(1), vec![object(PictureKind::Face, 2, 900)]);
    assert!(matches!(next(&mut session).await, Answer::Expired { .. }));
}

#[tokio::test]
async fn pictures_older_than_keep_go_and_others_stay() {
    let (directory, store) = folder_store(40_000);
    let root = directory.path().join("pictures");
    let [old, young, left_behind] = [
        "scene/2020/01/01/old.jpg",
        "scene/2020/01/02/young.jpg",
        "scene/2020/01/02/half.jpg#1",
    ]
    .map(|key| root.join(key));
    // Two days to keep, and one more: so long ago may the picture have been named last without being written again.
    write(&old, 5_000, 3 * DAY + DAY / 2);
    write(&young, 4_000, 3 * DAY - DAY / 2);
    write(&left_behind, 5_000, 2 * DAY);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let (clock, wait) = clock(directory.path());
    store.sweep(&clock).await.unwrap();
    assert!(
        old.exists() && left_behind.exists(),
        "nobody knows yet whether the clock is right"
    );
    wait(Duration::from_secs(2 * 3_600));
    store.sweep(&clock).await.unwrap();
    assert!(!old.exists() && !old.parent().unwrap().exists() && !left_behind.exists());
    assert!(young.exists());
    session.submit(Sequence(1), vec![object(PictureKind::Face, 2, 5_500)]);
    assert_eq!(
        next(&mut session).await,
        acknowledged(1),
        "the room is free again"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_waited_for() {
    let (directory, store) = folder_store(1 << 30);
    let blocked = directory.path().join("pictures");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    let error = store.connect(Lane::Normal).await.err().unwrap().to_string();
    assert!(
        error.starts_with(&format!("store: cannot use {}", blocked.display())),
        "{error}"
    );
    std::fs::remove_file(&blocked).unwrap();
    let mut session = store.connect(Lane::Normal).await.unwrap();
    std::fs::write(blocked.join("face"), "a file where a folder should be").unwrap();
    session.submit(Sequence(1), vec![object(PictureKind::Face, 1, 100)]);
    lost(&mut session).await;
}

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
    assert_eq!(gateway.post("/RealTimeEvent", &body).status, 200);
    let payload: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
    let picture = &payload["pictures"]["scene"];
    assert_eq!(picture["stored"], true, "{picture}");
    let content = "A face, as far as this test goes.";

    let key = picture["key"].as_str().unwrap();
    let bucket = boxbridge_connect::bucket::open(&bucket(server.endpoint()), WAIT, WAIT).unwrap();
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
    let error = lost(&mut session).await;
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
        error.contains("No user exists with the provided access key") && !error.contains(SECRET),
        "{error}"
    );
}

#[tokio::test]
async fn a_bucket_behind_an_authority_of_its_own_is_trusted_by_its_ca_file_alone() {
    let server = tokio::task::spawn_blocking(Server::start_encrypted)
        .await
        .unwrap();
    let trusting = |ca_file| {
        bucket_store(&server, |config| {
            if let StoreUrl::S3(bucket) = &mut config.url {
                bucket.ca_file = ca_file;
            }
        })
    };
    trusting(Some(server.ca_file())).probe().await.unwrap();
    let error = trusting(None).probe().await.unwrap_err().to_string();
    assert!(
        error.contains("certificate")
            && error.contains("(send.store.ca_file does not hold the authority"),
        "{error}"
    );
}

fn folder_store(max_bytes: u64) -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(settings(
        StoreUrl::File(directory.path().join("pictures")),
        max_bytes,
    ));
    (directory, store)
}

fn settings(url: StoreUrl, max_bytes: u64) -> boxbridge_config::Store {
    boxbridge_config::Store {
        url,
        public_url: Some("https://pictures.example".to_owned()),
        concurrency: 16,
        timeout: Duration::from_secs(10),
        keep: 2 * DAY,
        max_bytes,
    }
}

/// The machine's clock as seen for the first time, and a way to let it go on.
fn clock(data_dir: &Path) -> (Arc<Clock>, impl Fn(Duration)) {
    let passed_ms = Arc::new(AtomicI64::new(0));
    let passed = Arc::clone(&passed_ms);
    let now_ms = Timestamp::now().0;
    let clock = Clock::with(&Disk::default(), data_dir, move || {
        let passed_ms = passed.load(Ordering::Relaxed);
        Reading {
            wall_ms: now_ms + passed_ms,
            uptime_ms: passed_ms,
            boot: "first".to_owned(),
        }
    });
    (Arc::new(clock), move |time: Duration| {
        _ = passed_ms.fetch_add(time.as_millis() as i64, Ordering::Relaxed)
    })
}

fn bucket_store(server: &Server, change: impl FnOnce(&mut boxbridge_config::Store)) -> Store {
    store_at(server.endpoint(), change)
}

fn store_at(endpoint: String, change: impl FnOnce(&mut boxbridge_config::Store)) -> Store {
    let mut config = settings(StoreUrl::S3(bucket(endpoint)), 1 << 30);
    change(&mut config);
    Store::new(config)
}

fn bucket(endpoint: String) -> boxbridge_config::Bucket {
    boxbridge_config::Bucket {
        name: BUCKET.to_owned(),
        prefix: "site/one".to_owned(),
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        virtual_host: false,
        credentials: Some((KEY_ID.to_owned(), Secret::new(SECRET))),
        environment: Vec::new(),
        ca_file: None,
    }
}

async fn server() -> Server {
    tokio::task::spawn_blocking(Server::start).await.unwrap()
}

fn object(kind: PictureKind, number: u8, bytes: usize) -> Object {
    let folder = if kind == PictureKind::Registered {
        "registered/ab".to_owned()
    } else {
        format!("{kind}/2026/11/22")
    };
    Object {
        kind,
        key: format!("{folder}/{number:064x}.jpg"),
        media_type: "image/jpeg".to_owned(),
        bytes: (0..bytes)
            .map(|index| (index as u8).wrapping_mul(31).wrapping_add(number))
            .collect::<Vec<_>>()
            .into(),
    }
}

fn write(path: &Path, bytes: usize, age: Duration) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, vec![1; bytes]).unwrap();
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - age)
        .unwrap();
}

async fn next(session: &mut impl Session) -> Answer {
    answer_or_loss(session).await.expect("the session lives")
}

/// Why the session is over; an answer fails the test.
async fn lost(session: &mut impl Session) -> String {
    answer_or_loss(session)
        .await
        .expect_err("the session ends")
        .error
}

async fn answer_or_loss(session: &mut impl Session) -> Result<Answer, Lost> {
    tokio::time::timeout(WAIT, session.next())
        .await
        .expect("no answer")
}

fn acknowledged(number: u64) -> Answer {
    Answer::Acknowledged {
        sequence: Sequence(number),
        heard: true,
    }
}

async fn answers(session: &mut impl Session, count: usize) -> BTreeMap<u64, Answer> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        match next(session).await {
            answer @ Answer::Acknowledged { sequence, .. } => answers.insert(sequence.0, answer),
            answer => panic!("{answer:?}"),
        };
    }
    answers
}

/// `false` once the session is lost.
fn settle(answer: &Result<Answer, Lost>, open: &mut BTreeMap<u64, Object>) -> bool {
    match answer {
        Ok(Answer::Acknowledged { sequence, .. }) => open.remove(&sequence.0).is_some(),
        Err(_) => false,
        answer => panic!("{answer:?}"),
    }
}
