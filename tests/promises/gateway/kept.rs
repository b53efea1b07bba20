//! What is kept as files (refusals, set-aside events, pictures): bounded as it occupies the disk, and ours alone.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxbridge::gateway::kept::Quarantine;
use boxbridge::send::store::Store;
use boxbridge::send::{Answer, Destination, Session};
use boxbridge::system::disk::Disk;
use boxbridge_config::StoreUrl;
use boxbridge_event::{
    BoxPass, Code, Feed, Lane, Object, PictureKind, Refusal, Sequence, Source, Timestamp,
};
use serde_json::json;

use super::clock::{DAY_MS, Machine};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::volume::Volume;

const MIB: u64 = 1 << 20;
const UPLOADS_AT_ONCE: usize = 16;

fn quarantine(directory: &Path, max_bytes: u64) -> Quarantine {
    Quarantine::open(
        &Disk::default(),
        directory,
        &boxbridge_config::Quarantine {
            max_bytes,
            keep: Duration::from_secs(3_600),
        },
    )
    .unwrap()
}

fn source(peer: &str) -> Source {
    Source {
        peer: peer.to_owned(),
        feed: Feed::Realtime,
        site: None,
        box_id: None,
        charset: None,
        received_at: Timestamp::now(),
        pass: BoxPass::default(),
    }
}

/// Whether a refused body was kept.
fn refuse(quarantine: &Quarantine, peer: &str, body: &[u8]) -> bool {
    quarantine
        .keep(
            &source(peer),
            &Refusal::new(Code::JsonInvalid, "expected value"),
            body,
        )
        .is_ok()
}

/// What `du` says that a folder takes.
fn occupied(folder: &Path) -> u64 {
    let output = Command::new("du")
        .args(["-s", "--block-size=1"])
        .arg(folder)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn ten_thousand_refusals_of_one_byte_occupy_no_more_than_the_quota() {
    let directory = tempfile::tempdir().unwrap();
    let quarantine = quarantine(directory.path(), 4 * MIB);
    std::thread::scope(|scope| {
        for peer in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"] {
            let quarantine = &quarantine;
            scope.spawn(move || (0..2_000).for_each(|_| _ = refuse(quarantine, peer, b"{")));
        }
    });
    let folder = directory.path().join("quarantine");
    assert!(occupied(&folder) <= 4 * MIB, "{} bytes", occupied(&folder));
    let kept = files(&folder);
    assert!((850..1_024).contains(&kept), "{kept} files");
    // The next to open it counts the same.
    assert!(!refuse(
        &self::quarantine(directory.path(), 4 * MIB),
        "10.0.0.6",
        b"{"
    ));
}

#[test]
fn a_refusal_beside_fifty_thousand_others_costs_about_the_same_as_beside_ten() {
    // In memory, where syncs cost nothing and cannot hide a search.
    let memory = Path::new("/dev/shm");
    let make = |others: usize| {
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let folder = directory.path().join("quarantine");
        std::fs::create_dir(&folder).unwrap();
        for number in 0..others {
            std::fs::write(
                folder.join(format!(
                    "{:013}-{number:06}-json_invalid-10.0.0.{}",
                    Timestamp::now().0,
                    number % 200
                )),
                "{}\n{",
            )
            .unwrap();
        }
        let quarantine = quarantine(directory.path(), 1 << 40);
        (directory, quarantine)
    };
    let fastest = |quarantine: &Quarantine| {
        let rounds = (0..9).map(|_| {
            let start = Instant::now();
            (0..20).for_each(|_| assert!(refuse(quarantine, "10.0.0.7", b"{")));
            start.elapsed()
        });
        rounds.min().unwrap()
    };
    let (few, many) = (make(10), make(50_000));
    let (beside_few, beside_many) = (fastest(&few.1), fastest(&many.1));
    assert!(
        beside_many < beside_few * 8,
        "{beside_many:?} instead of {beside_few:?}"
    );

    // When it is full, too.
    let full = |directory: &tempfile::TempDir| quarantine(directory.path(), 4_096);
    let refused = |quarantine: &Quarantine| {
        let rounds = (0..9).map(|_| {
            let start = Instant::now();
            (0..20).for_each(|_| assert!(!refuse(quarantine, "10.0.0.7", b"{")));
            start.elapsed()
        });
        rounds.min().unwrap()
    };
    let (beside_few, beside_many) = (refused(&full(&few.0)), refused(&full(&many.0)));
    assert!(
        beside_many < beside_few * 8,
        "full: {beside_many:?} instead of {beside_few:?}"
    );
}

#[tokio::test]
async fn tiny_pictures_count_as_what_they_occupy() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("pictures");
    let store = store(&root, 2 * MIB);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let stored = store_tiny(&mut session, 0..1_000).await;
    assert!((380..512).contains(&stored), "{stored} of 1000 were stored");
    assert!(occupied(&root) <= 2 * MIB, "{} bytes", occupied(&root));
}

#[tokio::test]
async fn a_file_system_that_runs_out_of_inodes_ends_pictures_by_their_rule() {
    let volume = tokio::task::spawn_blocking(|| Volume::with_inodes(400))
        .await
        .unwrap();
    let store = store(&volume.path().join("pictures"), 1 << 30);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let stored = store_tiny(&mut session, 0..500).await;
    // Each upload looks before it writes: as many as are under way at once may pass together.
    let most = 300 + UPLOADS_AT_ONCE;
    assert!(
        (200..=most).contains(&stored),
        "{stored} were stored, and a quarter of 400 inodes is left to others"
    );
    // Others take the rest: still no reason to wait.
    let rest = (0..)
        .find(|number| std::fs::write(volume.path().join(format!("other-{number}")), "").is_err())
        .unwrap();
    assert!(rest > 50, "{rest}");
    assert_eq!(
        store_tiny(&mut store.connect(Lane::Urgent).await.unwrap(), 600..603).await,
        0
    );
}

#[test]
fn events_go_on_where_the_pictures_file_system_has_no_inodes_left() {
    let volume = Volume::with_inodes(60);
    let url = format!("file://{}/pictures", volume.path().display());
    let listen = format!("127.0.0.1:{}", free_port());
    let gateway = Gateway::start(&[
        ("SEND__STORE__URL", &url),
        ("SEND__MQTT__EMBEDDED__LISTEN", &listen),
    ]);
    for number in 0..80_u8 {
        let mut event = event(&number.to_string(), json!(2), "192.168.1.9");
        event["ext_data"]["spot_pic"] = json!(
            ["QUJD", "QUJE", "QUJF"][usize::from(number) % 3].to_owned() + &format!("{number:04}")
        );
        gateway.take("/RealTimeEvent", &event);
    }
    gateway.wait_delivered();
    let full = gateway.sum("boxbridge_send_expired_total", &[("rule", "max_bytes")]);
    assert!(full > 20.0, "{full} were not stored");
    assert_eq!(gateway.ledger("mqtt").delivered, 80);
}

#[test]
fn what_is_kept_is_for_no_other_user_of_the_machine() {
    let mut gateway = Gateway::start(&[(
        "SEND__MQTT__EMBEDDED__LISTEN",
        &format!("127.0.0.1:{}", free_port()),
    )]);
    let data = gateway.data_dir();
    let mut with_picture = event("1", json!(2), "192.168.1.9");
    with_picture["ext_data"]["spot_pic"] = json!("QUJDREVGRw==");
    gateway.take("/RealTimeEvent", &with_picture);
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", b"{nonsense").status,
        400
    );
    gateway.wait_delivered();
    assert_eq!(gateway.stop(), Some(0));
    let open: Vec<_> = open_to_others(&data);
    assert!(open.is_empty(), "{open:#?}");

    // As an earlier version left them.
    let folders = ["pictures", "quarantine", "aside", "queue"].map(|name| data.join(name));
    folders.iter().for_each(|folder| set_mode(folder, 0o755));
    gateway.restart();
    gateway.wait_delivered();
    for folder in &folders {
        assert_eq!(
            folder.metadata().unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            folder.display()
        );
    }
}

#[tokio::test]
async fn a_folder_that_others_use_as_well_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("shared");
    let theirs = root.join("somebody's/letter");
    std::fs::create_dir_all(root.join("somebody's/empty")).unwrap();
    std::fs::write(&theirs, vec![0; 2 << 20]).unwrap();
    set_mode(&root, 0o755);
    let store = store(&root, MIB);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let machine = Machine::new(Timestamp::now().0);
    let clock = Arc::new(machine.clock(directory.path()));
    machine.run(&clock, DAY_MS / 12);
    machine.go_on(100 * DAY_MS);
    store.sweep(&clock).await.unwrap();
    assert!(
        theirs.exists() && root.join("somebody's/empty").exists(),
        "it is not ours to remove, however old"
    );
    assert_eq!(
        store_tiny(&mut session, 0..1).await,
        1,
        "and takes none of our room"
    );
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(
        open_to_others(&root.join("scene")),
        Vec::<String>::new(),
        "what is ours is closed below it"
    );
}

pub fn store(root: &Path, max_bytes: u64) -> Store {
    Store::new(boxbridge_config::Store {
        url: StoreUrl::File(root.to_owned()),
        public_url: None,
        concurrency: UPLOADS_AT_ONCE,
        timeout: Duration::from_secs(20),
        keep: Duration::from_secs(2 * 86_400),
        max_bytes,
        links: None,
    })
}

pub fn key(number: usize) -> String {
    format!("scene/2026/11/22/{number:064x}.jpg")
}

/// Stores pictures of one byte; how many had room.
pub async fn store_tiny(
    session: &mut impl Session<Message = Vec<Object>>,
    numbers: Range<usize>,
) -> usize {
    let count = numbers.len();
    for number in numbers {
        let (key, bytes) = (key(number), vec![b'x'].into());
        let object = Object {
            kind: PictureKind::Scene,
            key,
            media_type: "image/jpeg".to_owned(),
            bytes,
        };
        session.submit(Sequence(number as u64 + 1), vec![object]);
    }
    let mut stored = 0;
    for _ in 0..count {
        match tokio::time::timeout(Duration::from_secs(60), session.next())
            .await
            .expect("no answer")
        {
            Ok(Answer::Acknowledged { .. }) => stored += 1,
            Ok(Answer::Expired { rule, .. }) => assert_eq!(rule, "max_bytes"),
            answer => panic!("{answer:?}"),
        }
    }
    stored
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Files and folders, itself included, that other users may read or enter.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut open = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.permissions().mode() & 0o077 != 0 {
            open.push(format!(
                "{:o} {}",
                metadata.permissions().mode() & 0o777,
                path.display()
            ));
        }
        if metadata.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    open
}
