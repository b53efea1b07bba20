//! `/api/pictures/{key}`: every picture of every event, out of the queue or the store.

use boxbridge_proof::content_hash;
use serde_json::json;

use super::{TOKEN, gateway, local, with_token};
use crate::parts::gateway::{Gateway, event, files};
use crate::parts::http::{self, Answer};
use crate::parts::s3;
use crate::parts::site::{base64, jpeg, wait_until};

fn show(gateway: &Gateway, key: &str, head: &[(&str, &str)]) -> Answer {
    http::get(gateway.admin, &format!("/api/pictures/{key}"), head)
}

/// Posts an event with an enrolled photo and a scene, and gives their keys as events name them.
fn post(gateway: &Gateway, seed: u64) -> [(String, Vec<u8>); 2] {
    let pictures = [jpeg(seed, 3_000), jpeg(seed + 1_000, 75_000)];
    let mut body = event(&seed.to_string(), json!(5), "192.168.1.243");
    body["reg_pic"] = base64(&pictures[0]);
    body["ext_data"]["spot_pic"] = base64(&pictures[1]);
    gateway.take("/RealTimeEvent", &body);

    let newest = local(gateway, "GET", "/api/events?limit=1", &json!(null)).body;
    let [registered, scene] = pictures;
    let key = |kind: &str| {
        newest["events"][0]["pictures"][kind]["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    [(key("registered"), registered), (key("scene"), scene)]
}

/// Whether it is this picture, with all that a browser should know of it.
fn assert_shown(answer: &Answer, picture: &[u8]) {
    assert_eq!(
        (answer.status, answer.body == picture),
        (200, true),
        "{}",
        answer.head
    );
    for (header, value) in [
        ("Content-Type", "image/jpeg"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("Accept-Ranges", "bytes"),
    ] {
        assert_eq!(answer.header(header), value, "{}", answer.head);
    }
}

fn bucket(server: &s3::Server) -> [(&'static str, String); 4] {
    [
        ("SEND__STORE__URL", format!("s3://{}/lobby", s3::BUCKET)),
        ("SEND__STORE__ENDPOINT", server.endpoint()),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID.to_owned()),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET.to_owned()),
    ]
}

#[test]
fn a_picture_is_shown_before_the_store_has_it_and_while_that_is_down_and_afterwards() {
    let mut server = s3::Server::start();
    server.kill();
    let settings = bucket(&server);
    let gateway = gateway(
        &settings
            .each_ref()
            .map(|(key, value)| (*key, value.as_str())),
    );

    let pictures = post(&gateway, 1);
    for (key, picture) in &pictures {
        assert!(key.starts_with("lobby/"), "{key}");
        assert_shown(&show(&gateway, key, &[]), picture);
        let name = key.strip_prefix("lobby/").unwrap();
        assert_shown(&show(&gateway, name, &[]), picture);
    }

    server.restart();
    wait_until("the pictures are in the bucket", || {
        pictures.iter().all(|(key, _)| server.file(key).exists())
    });
    for (key, picture) in &pictures {
        assert_shown(&show(&gateway, key, &[]), picture);
    }
}

#[test]
fn a_picture_that_only_the_store_has_is_shown_and_one_that_nobody_has_is_not_there() {
    let gateway = gateway(&[]);
    let picture = jpeg(7, 2_000);
    let [(key, _), _] = post(&gateway, 1);
    wait_until("the store has them", || {
        files(&gateway.pictures()).contains_key(&key)
    });

    // What another gateway has put there.
    let sha = content_hash::of(&picture);
    let other = format!("scene/2026/11/22/{sha}.jpg");
    let path = gateway.pictures().join(&other);
    assert_eq!(show(&gateway, &other, &[]).status, 404);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, &picture).unwrap();
    assert_shown(&show(&gateway, &other, &[]), &picture);

    std::fs::write(&path, b"<script>something else</script>").unwrap();
    let answer = show(&gateway, &other, &[]);
    assert_eq!(
        answer.status,
        404,
        "not what its name says: {}",
        answer.text()
    );
}

#[test]
fn only_keys_of_our_own_are_looked_for() {
    let gateway = gateway(&[]);
    let [(key, _), _] = post(&gateway, 1);
    std::fs::write(gateway.data_dir().join("secret"), "canary").unwrap();
    for other in [
        "../secret",
        "..%2Fsecret",
        "secret",
        "%2e%2e/secret",
        "registered/ab/x.jpg",
    ] {
        let answer = show(&gateway, other, &[]);
        assert_eq!(answer.status, 404, "{other}: {}", answer.text());
        assert!(!answer.text().contains("canary"), "{other}");
    }
    let answer = show(&gateway, &format!("../{key}/../secret"), &[]);
    assert_eq!(answer.status, 404, "{}", answer.text());
}

#[test]
fn a_viewer_gets_the_part_that_it_asks_for_and_nothing_twice() {
    let gateway = gateway(&[]);
    let [_, (key, picture)] = post(&gateway, 1);
    let whole = show(&gateway, &key, &[]);
    let tag = whole.header("ETag").to_owned();

    let part = show(&gateway, &key, &[("Range", "bytes=70000-")]);
    assert_eq!((part.status, &part.body[..]), (206, &picture[70_000..]));
    let length = picture.len();
    let said = format!("bytes 70000-{}/{length}", length - 1);
    assert_eq!(part.header("Content-Range"), said);
    let beyond = show(&gateway, &key, &[("Range", "bytes=75000-")]);
    assert_eq!(
        (beyond.status, beyond.header("Content-Range")),
        (416, "bytes */75000")
    );

    for known in [&*tag, "*", &format!("\"other\", W/{tag}")] {
        let again = show(&gateway, &key, &[("If-None-Match", known)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("ETag"), tag);
    }
    assert_eq!(
        show(&gateway, &key, &[("If-None-Match", "\"other\"")]).status,
        200
    );

    let path = format!("/api/pictures/{key}");
    let head = http::ask("HEAD", gateway.admin, &path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), length.to_string());
}

#[test]
fn who_may_not_ask_sees_no_picture() {
    let (gateway, _folder) = with_token();
    let key = format!("registered/ab/ab{}.jpg", "0".repeat(62));
    assert_eq!(show(&gateway, &key, &[]).status, 401);
    let token = format!("Bearer {TOKEN}");
    assert_eq!(
        show(&gateway, &key, &[("Authorization", &token)]).status,
        404
    );
}
