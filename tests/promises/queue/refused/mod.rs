//! What the disk does not do now is refused and tried again, and costs nothing that was answered: a roll that fails at any of its steps,
//! a read without an answer, a call that hangs.

use std::collections::BTreeSet;
use std::path::Path;

use boxbridge::queue::{AppendError, Queue, inspect};
use boxbridge_event::{Lane, PersonType, PictureKind};

use crate::queue::support::{drain, entry, killed, open, picture, sizes, step};

mod roll;
mod silent;

fn small(number: u64) -> boxbridge::queue::Entry {
    entry(number, PersonType::Blacklist, Lane::Urgent, &[])
}

fn large(number: u64) -> boxbridge::queue::Entry {
    entry(
        number,
        PersonType::Visitor,
        Lane::Normal,
        &[picture(PictureKind::Face, number, 5_000)],
    )
}

/// Appends these, and says which were taken.
async fn append(
    queue: &Queue,
    entries: impl Iterator<Item = (u64, boxbridge::queue::Entry)>,
) -> BTreeSet<u64> {
    let mut taken = BTreeSet::new();
    for (number, entry) in entries {
        match step(queue.append(entry)).await {
            Ok(_) => drop(taken.insert(number)),
            Err(AppendError::NotNow { .. } | AppendError::DiskFull { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// Everything that was answered comes out after a kill at this moment, the books are exact, and nothing is rotten.
async fn all_come_out(dir: &Path, taken: &BTreeSet<u64>) {
    let copy = killed(dir);
    let queue = open(copy.path(), &["mqtt"]);
    let mut came = BTreeSet::new();
    for lane in [Lane::Urgent, Lane::Normal] {
        let (accepted, _, waiting) = sizes(&queue.status(), "mqtt", lane);
        assert_eq!(accepted, waiting);
        came.extend(drain(&mut queue.cursor("mqtt", lane).unwrap(), waiting as usize).await);
    }
    assert_eq!(queue.status().rotten_records, 0);
    queue.shutdown().await;
    let report = inspect::verify(copy.path()).unwrap();
    assert!(report.is_sound() && report.lost == 0, "{report:?}");
    assert!(
        came.is_superset(taken),
        "lost: {:?}",
        taken.difference(&came).collect::<Vec<_>>()
    );
}

/// The numbers of large events that fill some segments, and of small ones that fit behind any of them.
const LARGE: std::ops::Range<u64> = 1..40;
