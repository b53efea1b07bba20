//! The empty group behind the last one: it comes for every group, whatever there is no room for, and never twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use boxbridge::queue::{AppendError, Entry};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::parts::faulty_disk::Errno;
use crate::queue::support::{directory, entry, open_on, step, until};

/// How often each was asked for, and what fails.
#[derive(Default)]
struct Counted {
    writes: AtomicU64,
    attempts: AtomicU64,
    is_failing: AtomicBool,
    /// The segment that was written to last.
    last: Mutex<String>,
}

fn disk(
    counted: &Arc<Counted>,
    error: Errno,
    fails: impl Fn(Call, &str) -> bool + Send + Sync + 'static,
) -> Disk {
    let counted = Arc::clone(counted);
    Disk::failing(move |call, path: &Path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if call == Call::Write && name.starts_with("segment-") {
            counted.writes.fetch_add(1, Ordering::SeqCst);
            counted.last.lock().clone_from(&name);
        }
        if !counted.is_failing.load(Ordering::SeqCst) || !fails(call, &name) {
            return Ok(());
        }
        counted.attempts.fetch_add(1, Ordering::SeqCst);
        Err(error.into())
    })
}

fn large(number: u64) -> Entry {
    let picture = crate::queue::support::picture(PictureKind::Face, number, 5_000);
    entry(number, PersonType::Visitor, Lane::Normal, &[picture])
}

#[tokio::test]
async fn an_index_that_cannot_be_written_does_not_make_the_log_grow() {
    let (dir, counted) = (directory(), Arc::new(Counted::default()));
    let disk = disk(&counted, Errno::NOSPC, |call, name| {
        call == Call::SetLength && name == "segment-0000000001"
    });
    let queue = open_on(disk, dir.path(), &["mqtt"]);
    counted.is_failing.store(true, Ordering::SeqCst);
    for number in 1.. {
        step(queue.append(large(number))).await.unwrap();
        if *counted.last.lock() == "segment-0000000002" {
            break;
        }
    }

    // Each attempt at the index of the first segment writes it, too, and nothing else.
    let attempts = || counted.attempts.load(Ordering::SeqCst);
    let begun = attempts() + 1;
    until(|| "it is tried again".to_owned(), || attempts() >= begun).await;
    let before = counted.writes.load(Ordering::SeqCst);
    let tried = attempts();
    until(
        || "it is tried again and again".to_owned(),
        || attempts() >= tried + 5,
    )
    .await;
    let (written, tried) = (
        counted.writes.load(Ordering::SeqCst) - before,
        attempts() - tried,
    );
    // Two pieces each time, and those of an attempt that is under way.
    assert!(
        written <= 2 * tried + 2,
        "{written} writes in {tried} attempts"
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn the_last_group_has_its_witness_although_there_is_no_room_for_the_next_segment() {
    let (dir, counted) = (directory(), Arc::new(Counted::default()));
    let disk = disk(&counted, Errno::IO, |call, name| {
        call == Call::Create && name == "fresh"
    });
    let queue = open_on(disk, dir.path(), &["mqtt"]);
    step(queue.append(large(1))).await.unwrap();
    counted.is_failing.store(true, Ordering::SeqCst);
    for number in 2.. {
        match step(queue.append(large(number))).await {
            Ok(_) => {}
            Err(AppendError::NotNow { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }

    // What is smaller fits, and is answered: so it has a witness.
    step(queue.append(entry(1_000, PersonType::Visitor, Lane::Normal, &[])))
        .await
        .unwrap();
    let before = counted.writes.load(Ordering::SeqCst);
    until(
        || "its witness".to_owned(),
        || counted.writes.load(Ordering::SeqCst) > before,
    )
    .await;
    let attempts = counted.attempts.load(Ordering::SeqCst);
    until(
        || "it is tried again and again".to_owned(),
        || counted.attempts.load(Ordering::SeqCst) >= attempts + 2,
    )
    .await;
    assert_eq!(
        counted.writes.load(Ordering::SeqCst),
        before + 1,
        "one witness"
    );
    assert!(queue.status().is_refused);
    queue.shutdown().await;
}
