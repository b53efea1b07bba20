//! The parts of a running gateway that keep something, and what happens to each of them in a life.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use boxbridge::app;
use boxbridge::app::embedded_broker::Untaken;
use boxbridge::gateway::ReceivedCounts;
use boxbridge::gateway::kept::{Aside, Quarantine, SetAside, Why};
use boxbridge::queue::{AppendError, Cursor, Entry, Outcome, Queue, Record, Settings};
use boxbridge::send::store::Store;
use boxbridge::send::{Answer, Destination, Session};
use boxbridge::system::clock::{Clock, Reading};
use boxbridge_config::StoreUrl;
use boxbridge_event::{
    BoxPass, Code, Feed, Lane, Object, PersonType, PictureKind, PictureSet, PictureVerdict,
    Refusal, Sequence, Source, Timestamp,
};

use super::super::Plan;
use super::super::fault::Faulty;
use super::Books;
use crate::queue::support::{entry, event_number, files, picture, settings, sizes, step, until};

pub const EVENTS: u64 = 50;

/// After the second start.
pub const MORE: u64 = 10;

/// What the machine's clock shows, and how far it is set.
const NOON_MS: i64 = 1_795_000_000_000;
const HOUR_MS: i64 = 3_600_000;
pub const JUMP_MS: i64 = 2 * HOUR_MS;
pub const DESTINATIONS: [&str; 2] = ["store", "mqtt"];
pub const REFUSED_BODY: &[u8] = b"{nonsense";

/// The event that MQTT does not take.
const UNWANTED: u64 = 7;

/// For what comes unless the disk is broken for good.
const MOMENT: Duration = Duration::from_millis(150);

/// The parts of a running gateway that keep something.
pub struct Gateway {
    pub queue: Queue,
    pub aside: Aside,
    quarantine: Quarantine,
    received: ReceivedCounts,
    store: Store,
    clock: Clock,
    wall_ms: Arc<AtomicI64>,
    pub untaken: Untaken,
    pub cursors: Vec<(&'static str, Lane, Cursor)>,
}

pub fn settings_of(dir: &Path, faulty: &Faulty) -> Settings {
    let (upkeep_interval, replay_window) = (Duration::from_millis(2), Duration::ZERO);
    Settings {
        segment_bytes: 128 << 10,
        upkeep_interval,
        replay_window,
        disk: faulty.disk(),
        ..settings(dir)
    }
}

pub fn start(dir: &Path, settings: Settings) -> anyhow::Result<Gateway> {
    let disk = settings.disk.clone();
    let queue = Queue::open(settings, &DESTINATIONS)?;
    app::instance(&disk, dir)?;
    let aside = Aside::open(&disk, dir, queue.epoch(), 1 << 20)?;
    let quarantine = Quarantine::open(
        &disk,
        dir,
        &boxbridge_config::Quarantine {
            max_bytes: 1 << 20,
            keep: Duration::from_secs(3600),
        },
    )?;
    let received = ReceivedCounts::open(disk.clone(), dir, queue.clone())?;
    let store = Store::on(disk.clone(), store_settings(dir));
    let untaken = Untaken::of(&disk, dir);
    let wall_ms = Arc::new(AtomicI64::new(NOON_MS));
    let now = Arc::clone(&wall_ms);
    let reading = move || Reading {
        wall_ms: now.load(Ordering::Relaxed),
        uptime_ms: HOUR_MS,
        boot: "first".to_owned(),
    };
    let clock = Clock::with(&disk, dir, reading);
    let places = DESTINATIONS
        .iter()
        .flat_map(|name| Lane::ALL.iter().map(|lane| (*name, *lane)));
    let cursors = places
        .map(|(name, lane)| (name, lane, queue.cursor(name, lane).unwrap()))
        .collect();
    Ok(Gateway {
        queue,
        aside,
        quarantine,
        received,
        store,
        clock,
        wall_ms,
        untaken,
        cursors,
    })
}

pub fn event(number: u64) -> Entry {
    let (person_type, lane) = match number % 3 {
        0 => (PersonType::Blacklist, Lane::Urgent),
        1 => (PersonType::Visitor, Lane::Normal),
        _ => (PersonType::Employee, Lane::Normal),
    };
    let pictures = match number {
        _ if number.is_multiple_of(10) => vec![picture(PictureKind::Scene, number, 40_000)],
        _ if number.is_multiple_of(4) => vec![picture(PictureKind::Face, number, 3_000)],
        _ => Vec::new(),
    };
    entry(number, person_type, lane, &pictures)
}

impl Gateway {
    pub async fn live(&mut self, dir: &Path, plan: Plan, faulty: &Faulty, books: &mut Books) {
        let tries = if plan.fault.for_good { 2 } else { 40 };
        self.append(1..=EVENTS / 2, tries, books).await;
        self.drain("store", plan, books).await;
        // The stimulus: the keeper's time, for holes. Nobody says that it is done.
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.append(EVENTS / 2 + 1..=EVENTS, tries, books).await;
        self.drain("store", plan, books).await;
        self.drain("mqtt", plan, books).await;
        let many = files(dir, "segment-").len();
        let _ = tokio::time::timeout(
            MOMENT,
            until(
                || "deleted".to_owned(),
                || many < 2 || files(dir, "segment-").len() < many,
            ),
        )
        .await;
        self.refuse(tries, books).await;
        self.store_picture(plan, books).await;
        for _ in 0..tries {
            if self.received.save().is_ok() {
                break;
            }
        }
        self.set_clock(tries, books);
        books.is_untaken_noted = (0..tries).any(|_| self.untaken.note().is_ok());
        books.was_poisoned |= self.queue.status().is_poisoned;
        if !plan.fault.for_good && !books.was_poisoned {
            let status = || self.queue.status();
            let what = || {
                format!(
                    "all is well again: {:?} after {:?}",
                    status().outages,
                    faulty.failed()
                )
            };
            until(what, || status().outages.is_empty() && !status().is_refused).await;
            assert!(
                status()
                    .subscriptions
                    .iter()
                    .all(|subscription| subscription.waiting == 0),
                "{:?}",
                status()
            );
        }
    }

    /// After the second start: goes on where the first life ended.
    pub async fn live_on(&mut self, plan: Plan, books: &mut Books) {
        let tries = if plan.fault.for_good { 2 } else { 40 };
        self.append(EVENTS + 1..=EVENTS + MORE, tries, books).await;
        for destination in DESTINATIONS {
            self.drain(destination, plan, books).await;
        }
        assert!(
            !books.is_untaken_noted || self.untaken.is_noted(),
            "what the broker had not handed over"
        );
        self.wall_ms.fetch_add(JUMP_MS, Ordering::Relaxed);
        self.clock.look();
        self.queue.shutdown().await;
        books.was_poisoned |= self.queue.status().is_poisoned;
    }

    /// Five at once, so that some share a group.
    async fn append(
        &mut self,
        numbers: std::ops::RangeInclusive<u64>,
        tries: usize,
        books: &mut Books,
    ) {
        let numbers: Vec<u64> = numbers.collect();
        for some in numbers.chunks(5) {
            let mut left = some.to_vec();
            for _ in 0..tries {
                let mut appends = tokio::task::JoinSet::new();
                for number in std::mem::take(&mut left) {
                    let queue = self.queue.clone();
                    appends.spawn(async move { (number, step(queue.append(event(number))).await) });
                }
                while let Some(append) = appends.join_next().await {
                    match append.unwrap() {
                        (number, Ok(_)) => drop(books.taken.insert(number)),
                        (
                            number,
                            Err(AppendError::NotNow { .. } | AppendError::DiskFull { .. }),
                        ) => {
                            books.refused.insert(number);
                            left.push(number);
                        }
                        (_, Err(AppendError::Poisoned)) => books.was_poisoned = true,
                        (_, Err(error)) => panic!("{error}"),
                    }
                }
                if left.is_empty() {
                    break;
                }
                // The pause between two attempts.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn drain(&mut self, destination: &str, plan: Plan, books: &mut Books) {
        let patience = if plan.fault.for_good || books.was_poisoned {
            MOMENT
        } else {
            MOMENT * 20
        };
        let (queue, aside) = (&self.queue, &self.aside);
        for (name, lane, cursor) in self
            .cursors
            .iter_mut()
            .filter(|(name, ..)| *name == destination)
        {
            while sizes(&queue.status(), name, *lane).2 > 0 {
                let Ok(record) = tokio::time::timeout(patience, cursor.next()).await else {
                    break;
                };
                let Ok(pictures) = tokio::time::timeout(patience, record.pictures()).await else {
                    break;
                };
                // What is punched is no longer asked for by anybody but us.
                if let Ok(pictures) = pictures {
                    assert_eq!(pictures, event(event_number(&record)).pictures);
                }
                if !answer(cursor, &record, name, aside, books) {
                    break;
                }
                books
                    .came
                    .entry(name)
                    .or_default()
                    .insert(event_number(&record));
            }
        }
    }

    /// As `deliver` does: a session after the other, until it is acknowledged.
    async fn store_picture(&mut self, plan: Plan, books: &mut Books) {
        for _ in 0..if plan.fault.for_good { 2 } else { 20 } {
            let Ok(mut session) = step(self.store.connect(Lane::Normal)).await else {
                continue;
            };
            session.submit(Sequence(1), vec![object()]);
            match step(session.next()).await {
                Ok(Answer::Acknowledged { .. }) => books.is_stored = true,
                Err(_) => continue,
                answer => panic!("a picture: {answer:?}"),
            }
            break;
        }
        assert!(
            books.is_stored || plan.fault.for_good,
            "a picture is put off for good"
        );
    }

    /// Two hours on, which is noted.
    fn set_clock(&mut self, tries: usize, books: &mut Books) {
        self.clock.look();
        self.wall_ms.fetch_add(JUMP_MS, Ordering::Relaxed);
        books.is_jump_noted = (0..tries).any(|_| self.clock.look());
    }

    /// A body that nobody understands.
    async fn refuse(&mut self, tries: usize, books: &mut Books) {
        let source = Source {
            peer: "192.168.1.9".to_owned(),
            feed: Feed::Realtime,
            site: None,
            box_id: None,
            charset: None,
            received_at: Timestamp::now(),
            pass: BoxPass::default(),
        };
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        books.is_quarantined = (0..tries).any(|_| {
            self.quarantine
                .keep(&source, &refusal, REFUSED_BODY)
                .is_ok()
        });
    }
}

fn store_settings(dir: &Path) -> boxbridge_config::Store {
    boxbridge_config::Store {
        url: StoreUrl::File(dir.join("pictures")),
        public_url: None,
        concurrency: 4,
        timeout: Duration::from_secs(10),
        keep: Duration::from_secs(200_000),
        max_bytes: 1 << 20,
        links: None,
    }
}

pub fn object() -> Object {
    let bytes = picture(PictureKind::Face, 77, 6_000).bytes;
    Object {
        kind: PictureKind::Face,
        key: "face/2026/11/28/ab12.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        bytes,
    }
}

/// Takes the record, or sets it aside; false where that does not work.
fn answer(
    cursor: &mut Cursor,
    record: &Record,
    name: &'static str,
    aside: &Aside,
    books: &mut Books,
) -> bool {
    let number = event_number(record);
    if name == "store" && number.is_multiple_of(10) {
        let mut verdict = PictureVerdict::default();
        verdict.missing.insert(PictureKind::Scene);
        assert_ne!(verdict.missing, PictureSet::default());
        cursor.settle(record.sequence, verdict, Outcome::SetAside);
        return true;
    }
    if name != "mqtt" || number != UNWANTED {
        cursor.answer(record.sequence, Outcome::Delivered);
        return true;
    }
    let entry = SetAside {
        destination: "mqtt".into(),
        lane: record.lane,
        sequence: record.sequence,
        at: Timestamp::now(),
        why: Why {
            reason: "too_large",
            detail: "70000 of 65535 bytes".to_owned(),
            attempts: 1,
        },
        topic: None,
        event: record.event.clone(),
        pictures: Vec::new(),
    };
    // As `deliver` does, but not for ever.
    let is_kept = (0..3).any(|_| aside.put(&entry).is_ok());
    books.is_set_aside |= is_kept;
    if is_kept {
        cursor.answer(record.sequence, Outcome::SetAside);
    }
    is_kept
}
