//! The picture store, as a folder and as a real S3 server: byte-exact, once, within its budget, and waited for when it is down.

use std::collections::BTreeMap;
use std::time::Duration;

use boxbridge::send::store::Store;
use boxbridge::send::{Answer, Lost, Session};
use boxbridge_config::{Secret, StoreUrl};
use boxbridge_event::{Object, PictureKind};

use crate::parts::s3::{BUCKET, KEY_ID, SECRET, Server};
use crate::send::session::next;

mod batches;
mod copies;
mod in_a_bucket;
mod in_a_folder;
mod moves;
mod one_picture;
mod sent_again;
mod unsynced;

const DAY: Duration = Duration::from_secs(86_400);

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
        links: None,
    }
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
