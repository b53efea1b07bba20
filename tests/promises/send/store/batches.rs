//! A folder's pictures are visible first and durable in batches: what a failed sync may have lost is written again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use boxbridge::send::store::Store;
use boxbridge::send::{Destination, Session};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_config::StoreUrl;
use boxbridge_event::{Lane, PictureKind, Sequence};

use super::{answers, object, settings};
use crate::send::session::{acknowledged, lost, next};

#[tokio::test]
async fn pictures_are_visible_at_once_and_synced_together() {
    let (_directory, store, disk) = watched_store();
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let written = store.written().expect("synced in batches");

    // The first makes the folder, which is synced when it is made.
    session.submit(Sequence(1), vec![object(PictureKind::Scene, 1, 9_000)]);
    next(&mut session).await;
    let before = disk.syncs();

    for number in 2..=20 {
        let object = object(PictureKind::Scene, number, 9_000);
        session.submit(Sequence(number.into()), vec![object.clone()]);
        next(&mut session).await;
        assert!(store.exists(&object.key).await.unwrap());
    }
    assert!(!written.is_durable(1));
    assert_eq!(disk.syncs(), before, "a picture was synced by itself");

    store.sync().await;
    assert!(written.is_durable(20));
    assert_eq!(written.count(), 20);
    assert_eq!(disk.syncs(), before + 1);
}

#[tokio::test]
async fn what_is_written_is_synced_soon_without_another_picture() {
    let (_directory, store, _) = watched_store();
    let mut session = store.connect(Lane::Urgent).await.unwrap();
    let written = Arc::clone(store.written().unwrap());

    let synced = async {
        session.submit(Sequence(1), vec![object(PictureKind::Scene, 1, 9_000)]);
        next(&mut session).await;
        while !written.is_durable(1) {
            // The pause between two looks.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = store.keep_synced() => panic!("it is over"),
        synced = tokio::time::timeout(crate::parts::child::PATIENCE, synced) => synced.expect("nobody syncs it"),
    }
}

#[tokio::test]
async fn after_a_failed_sync_the_session_is_lost_and_everything_is_written_again() {
    let (directory, store, disk) = watched_store();
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let mut other = store.connect(Lane::Urgent).await.unwrap();
    let written = store.written().unwrap();
    let photo = object(PictureKind::Registered, 1, 5_000);
    let path = directory.path().join("pictures").join(&photo.key);
    session.submit(Sequence(1), vec![photo.clone()]);
    assert_eq!(next(&mut session).await, acknowledged(1));

    disk.fails.store(true, Ordering::Relaxed);
    std::fs::remove_file(&path).unwrap();
    store.sync().await;

    assert_eq!(written.losses(), 1);
    assert!(!written.is_durable(1));
    for session in [&mut session, &mut other] {
        let error = lost(session).await.error;
        assert!(error.contains("failed a sync"), "{error}");
    }

    disk.fails.store(false, Ordering::Relaxed);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), vec![photo.clone()]);
    answers(&mut session, 1).await;
    assert_eq!(std::fs::read(&path).unwrap(), photo.bytes);
    store.sync().await;
    assert!(written.is_durable(2) && written.losses() == 1);
}

/// Its folder is another file system's: `syncfs` of the root does not reach it.
#[tokio::test]
async fn a_folder_of_another_file_system_is_synced_picture_by_picture() {
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let (directory, store, disk) = watched_store();
    let root = directory.path().join("pictures");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.join("scene")).unwrap();
    let mut session = store.connect(Lane::Normal).await.unwrap();

    session.submit(Sequence(1), vec![object(PictureKind::Scene, 1, 9_000)]);
    next(&mut session).await;

    let written = store.written().unwrap();
    assert!(written.count() == 0 && written.is_durable(0));
    assert!(disk.syncs_of(elsewhere.path()) >= 1);
}

/// A disk whose syncs are counted, and whose file systems may fail theirs.
#[derive(Clone, Default)]
struct Watched {
    fails: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
    pictures: Arc<parking_lot::Mutex<Vec<std::path::PathBuf>>>,
}

impl Watched {
    fn syncs(&self) -> usize {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Of single pictures below a folder, whatever the path that they were written by.
    fn syncs_of(&self, folder: &Path) -> usize {
        let names: Vec<_> = names(folder);
        let pictures = self.pictures.lock();
        let is_there = |path: &&std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            names.iter().any(|there| name.starts_with(there))
        };
        pictures.iter().filter(is_there).count()
    }

    fn call(&self, call: Call, path: &Path) -> io::Result<()> {
        match call {
            Call::Sync => self.pictures.lock().push(path.to_owned()),
            Call::SyncFileSystem if self.fails.load(Ordering::Relaxed) => {
                return Err(io::Error::from_raw_os_error(
                    rustix::io::Errno::IO.raw_os_error(),
                ));
            }
            Call::SyncDirectory | Call::SyncFileSystem => {}
            _ => return Ok(()),
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => names.extend(self::names(&entry.path())),
            false => names.push(entry.file_name().into_string().unwrap()),
        }
    }
    names
}

fn watched_store() -> (tempfile::TempDir, Store, Watched) {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let watched = Watched::default();
    let disk = Disk::failing({
        let watched = watched.clone();
        move |call, path| watched.call(call, path)
    });
    let root = directory.path().join("pictures");
    let store = Store::on(disk, settings(StoreUrl::File(root), 1 << 30));
    (directory, store, watched)
}
