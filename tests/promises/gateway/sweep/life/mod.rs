//! One life of a gateway's disk: start, 50 events of mixed sizes, rolls, holes, deletions, cursors, a set-aside record, a refused body,
//! counts, a picture, an end, another start on what that left; and the life after it, on a disk that is well again, in which everything
//! must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use boxbridge::queue::{Outcome, Settings, inspect};

use super::Plan;
use super::fault::{Faulty, Seen};
use crate::queue::support::{directory, event_number, killed, settings, sizes, step};
use owners::{
    DESTINATIONS, EVENTS, Gateway, JUMP_MS, MORE, REFUSED_BODY, event, object, settings_of, start,
};

mod owners;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Stop,
    Kill,
}

pub struct Lived {
    pub calls: Vec<Seen>,
    pub was_poisoned: bool,
}

/// What was answered, and what came of it.
#[derive(Default)]
struct Books {
    taken: BTreeSet<u64>,
    refused: BTreeSet<u64>,
    came: BTreeMap<&'static str, BTreeSet<u64>>,
    is_set_aside: bool,
    is_quarantined: bool,
    is_stored: bool,
    is_jump_noted: bool,
    is_untaken_noted: bool,
    was_poisoned: bool,
}

pub async fn live(plan: Plan) -> Lived {
    let dir = directory();
    let faulty = Faulty::new(plan.fault);
    let mut books = Books::default();
    let mut left = None;
    let started = start(dir.path(), settings_of(dir.path(), &faulty));
    let has_started = started.is_ok();
    if let Ok(mut gateway) = started {
        gateway.live(dir.path(), plan, &faulty, &mut books).await;
        if plan.end == End::Kill {
            left = Some(killed(dir.path()));
        }
        gateway.queue.shutdown().await;
        books.was_poisoned |= gateway.queue.status().is_poisoned;
    } else {
        assert!(plan.fault.call > 0, "a start on a healthy disk");
    }
    let must_take_all = has_started && !plan.fault.for_good && !books.was_poisoned;
    assert!(
        !must_take_all || books.taken.len() as u64 == EVENTS,
        "took {} in the end",
        books.taken.len()
    );
    let left = left.as_ref().unwrap_or(&dir).path();
    faulty.restart();
    if let Ok(mut gateway) = start(left, settings_of(left, &faulty)) {
        gateway.live_on(plan, &mut books).await;
    }
    let calls = faulty.seen();
    assert!(
        !books.was_poisoned || faulty.may_poison(),
        "poisoned by {:?}",
        faulty.failed()
    );
    live_again(left, &mut books).await;
    Lived {
        calls,
        was_poisoned: books.was_poisoned,
    }
}

/// On a disk that is well.
async fn live_again(dir: &Path, books: &mut Books) {
    let settings = Settings {
        segment_bytes: 128 << 10,
        ..settings(dir)
    };
    let mut gateway =
        start(dir, settings).unwrap_or_else(|error| panic!("the next start: {error:#}"));
    all_is_kept(dir, &gateway, books);

    let fresh = EVENTS + MORE + 1;
    step(gateway.queue.append(event(fresh)))
        .await
        .expect("a disk that is well takes events");
    books.taken.insert(fresh);
    for (name, lane, cursor) in &mut gateway.cursors {
        let status = gateway.queue.status();
        for _ in 0..sizes(&status, name, *lane).2 {
            let record = step(cursor.next()).await;
            books
                .came
                .entry(name)
                .or_default()
                .insert(event_number(&record));
            cursor.answer(record.sequence, Outcome::Delivered);
        }
    }
    let status = gateway.queue.status();
    assert_eq!(status.rotten_records, 0);
    assert!(
        status
            .subscriptions
            .iter()
            .all(|subscription| subscription.waiting == 0 && subscription.tally.expired.is_empty()),
        "{status:?}"
    );
    gateway.queue.shutdown().await;
    let report = inspect::verify(dir).unwrap();
    assert!(report.is_sound() && report.lost == 0, "{report:?}");
    books.nothing_is_lost();
}

/// What was said to be kept beside the log.
fn all_is_kept(dir: &Path, gateway: &Gateway, books: &Books) {
    assert_eq!(
        gateway.aside.usage().0,
        usize::from(books.is_set_aside),
        "set aside"
    );
    let body = |path: &Path| std::fs::read(path).is_ok_and(|bytes| bytes.ends_with(REFUSED_BODY));
    let kept = std::fs::read_dir(dir.join("quarantine"))
        .unwrap()
        .filter(|entry| body(&entry.as_ref().unwrap().path()))
        .count();
    assert!(
        kept >= usize::from(books.is_quarantined),
        "a refused body that was kept"
    );
    let stored = std::fs::read(dir.join("pictures").join(object().key));
    assert!(
        !books.is_stored || stored.is_ok_and(|bytes| bytes == object().bytes),
        "a picture that was stored"
    );
    let noted = std::fs::read_to_string(dir.join("clock")).unwrap_or_default();
    assert!(
        !books.is_jump_noted || noted.contains(&format!("\"by_ms\":{JUMP_MS}")),
        "a jump of the clock that was noted: {noted}"
    );
    assert!(
        !books.is_untaken_noted || gateway.untaken.is_noted(),
        "what the broker had not handed over"
    );
}

impl Books {
    fn nothing_is_lost(&self) {
        for name in DESTINATIONS {
            let came = self.came.get(name).cloned().unwrap_or_default();
            let lost: Vec<_> = self.taken.difference(&came).collect();
            assert!(lost.is_empty(), "answered, and lost for {name}: {lost:?}");
            let unasked = self
                .refused
                .iter()
                .find(|number| came.contains(number) && !self.taken.contains(number));
            assert!(
                self.was_poisoned || unasked.is_none(),
                "refused, and came all the same: {unasked:?}"
            );
        }
    }
}
