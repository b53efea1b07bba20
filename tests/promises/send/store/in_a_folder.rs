//! A folder as the store: byte by byte, once, within its budget and its age.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use boxbridge::send::{Answer, Destination, Session};
use boxbridge::system::clock::{Clock, Reading};
use boxbridge::system::disk::Disk;
use boxbridge_event::{Lane, PictureKind, Sequence, Timestamp};

use super::{DAY, answers, folder_store, object};
use crate::send::session::{acknowledged, lost, next};

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
