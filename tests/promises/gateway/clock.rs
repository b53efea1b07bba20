//! A wall clock that is set: nothing is older for that, whatever counts its age.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use boxbridge::gateway::Ages;
use boxbridge::queue::{Queue, Settings};
use boxbridge::send::Destination;
use boxbridge::system::clock::{Clock, Reading, uptime_ms};
use boxbridge::system::disk::{Call, Disk};
use boxbridge_event::{Lane, PersonType, PictureKind, Timestamp};

use super::kept::{self, key, store_tiny};
use crate::parts::faulty_disk::{Errno, FaultyDisk};
use crate::queue::support::{drain, entry, nothing, picture, settings, step};

const MIB: u64 = 1 << 20;
const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

#[tokio::test]
async fn pictures_stored_before_the_clock_was_right_are_kept_for_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("pictures");
    let store = kept::store(&root, MIB);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    let now = Timestamp::now().0;
    let machine = Machine::new(now - 60 * DAY_MS);
    let clock = Arc::new(machine.clock(directory.path()));
    machine.run(&clock, 2 * HOUR_MS);
    assert_eq!(store_tiny(&mut session, 0..1).await, 1);
    let picture = root.join(key(0));
    set_time(&picture, machine.wall_ms.load(Ordering::Relaxed));

    // NTP answers: sixty days further, and the gateway is started anew.
    machine.set_forward(60 * DAY_MS);
    machine.run(&clock, 60_000);
    let again = Arc::new(machine.clock(directory.path()));
    let sweeper = kept::store(&root, MIB);
    for _ in 0..2 {
        machine.run(&again, 4 * HOUR_MS);
        sweeper.sweep(&again).await.unwrap();
        assert!(picture.exists(), "it is a few hours old");
    }
    // Two days to keep, and one more: so long ago may it have been named last.
    machine.run(&again, 3 * DAY_MS);
    sweeper.sweep(&again).await.unwrap();
    assert!(!picture.exists());
}

#[tokio::test]
async fn records_from_before_the_clock_was_right_can_be_replayed_for_their_time() {
    let directory = tempfile::tempdir().unwrap();
    let now = Timestamp::now().0;
    // Until half an hour ago this machine was sixty days behind.
    let machine = Machine::this(8 * HOUR_MS, 60 * DAY_MS);
    let clock = machine.clock(directory.path());
    machine.run(&clock, 7 * HOUR_MS + HOUR_MS / 2);
    machine.set_forward(60 * DAY_MS);
    machine.run(&clock, HOUR_MS / 2);
    drop(clock);
    let queue = Queue::open(settings(directory.path()), &["mqtt"]).unwrap();
    let seven_hours_ago = (1..=20).map(|number| (number, now - 60 * DAY_MS - 7 * HOUR_MS));
    let one_hour_ago = (21..=40).map(|number| (number, now - 60 * DAY_MS - HOUR_MS));
    for (number, received_ms) in seven_hours_ago.chain(one_hour_ago).chain([(41, now)]) {
        let mut entry = entry(
            number,
            PersonType::Visitor,
            Lane::Normal,
            &[picture(PictureKind::Face, number, 5_000)],
        );
        entry.event.received_at = Timestamp(received_ms);
        step(queue.append(entry)).await.unwrap();
    }
    drain(&mut queue.cursor("mqtt", Lane::Normal).unwrap(), 41).await;
    queue.shutdown().await;

    let hours = Duration::from_secs(3 * 3_600);
    let settings = Settings {
        replay_window: hours,
        upkeep_interval: Duration::from_millis(10),
        ..settings(directory.path())
    };
    let queue = Queue::open(settings, &["mqtt"]).unwrap();
    let oldest = || queue.status().oldest.unwrap().0;
    step(async {
        while oldest() < 10 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(nothing(std::future::pending::<()>()).await);
    assert!(
        oldest() <= 21,
        "what came one hour ago is kept for three: {}",
        oldest()
    );
    queue.shutdown().await;
}

#[test]
fn a_disk_that_does_not_answer_once_makes_no_jump_of_the_clock_forgotten() {
    for call in [Call::Open, Call::Read, Call::Stat] {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::new(Timestamp::now().0 - 60 * DAY_MS);
        let clock = machine.clock(directory.path());
        machine.run(&clock, 2 * HOUR_MS);
        let before = Timestamp(machine.wall_ms.load(Ordering::Relaxed));
        machine.set_forward(60 * DAY_MS);
        machine.run(&clock, HOUR_MS);
        drop(clock);

        let faulty = FaultyDisk::failing(Errno::IO, move |made, _| made == call);
        let clock = machine.clock_on(&faulty.disk(), directory.path());
        assert!(!clock.look(), "what is not read is not written over");
        machine.run(&clock, 2 * HOUR_MS);
        faulty.end();
        assert!(clock.look());
        for clock in [clock, machine.clock(directory.path())] {
            let age = clock.age(before);
            assert!(
                age < Duration::from_secs(4 * 3_600),
                "{call:?}: three hours, and not {age:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_event_that_came_while_the_clock_was_ahead_is_not_new_when_the_clock_shows_its_time_again()
 {
    let directory = tempfile::tempdir().unwrap();
    let machine = Machine::new(Timestamp::now().0 + HOUR_MS);
    let clock = Arc::new(machine.clock(directory.path()));
    machine.run(&clock, 2 * HOUR_MS);
    let queue = Queue::open(settings(directory.path()), &["mqtt"]).unwrap();
    let mut entry = entry(1, PersonType::Blacklist, Lane::Urgent, &[]);
    entry.event.received_at = Timestamp(machine.wall_ms.load(Ordering::Relaxed));
    step(queue.append(entry)).await.unwrap();
    queue.shutdown().await;

    machine.set_forward(-HOUR_MS);
    machine.run(&clock, HOUR_MS);
    let queue = Queue::open(settings(directory.path()), &["mqtt"]).unwrap();
    let ages = Ages::new(clock, queue.newest());
    let record = step(queue.cursor("mqtt", Lane::Urgent).unwrap().next()).await;
    assert_eq!(
        record.received_at.0,
        machine.wall_ms.load(Ordering::Relaxed),
        "the clock shows its time"
    );
    assert!(
        ages.of(&record) >= Duration::from_secs(3_500),
        "{:?}",
        ages.of(&record)
    );
    queue.shutdown().await;
}

#[test]
fn many_that_ask_at_once_are_no_jump_of_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::open(&Disk::default(), directory.path());
    let before = Timestamp::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50_000).for_each(|_| _ = clock.age(before)));
        }
    });
    assert!(
        clock.age_at_most(before)
            <= Duration::from_millis(Timestamp::now().since(before).unsigned_abs() + 1_000)
    );
}

/// A machine whose clock can be set.
pub struct Machine {
    wall_ms: Arc<AtomicI64>,
    uptime_ms: Arc<AtomicI64>,
    boot: String,
}

impl Machine {
    pub fn new(wall_ms: i64) -> Machine {
        Machine {
            wall_ms: Arc::new(AtomicI64::new(wall_ms)),
            uptime_ms: Arc::default(),
            boot: "first".to_owned(),
        }
    }

    /// This one, as it was so long ago, by a clock that was so far behind.
    fn this(ago_ms: i64, behind_ms: i64) -> Machine {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        Machine {
            wall_ms: Arc::new(AtomicI64::new(Timestamp::now().0 - ago_ms - behind_ms)),
            uptime_ms: Arc::new(AtomicI64::new(uptime_ms() - ago_ms)),
            boot: boot.trim().to_owned(),
        }
    }

    fn set_forward(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub fn clock(&self, data_dir: &Path) -> Clock {
        self.clock_on(&Disk::default(), data_dir)
    }

    fn clock_on(&self, disk: &Disk, data_dir: &Path) -> Clock {
        let (wall, uptime, boot) = (
            Arc::clone(&self.wall_ms),
            Arc::clone(&self.uptime_ms),
            self.boot.clone(),
        );
        Clock::with(disk, data_dir, move || Reading {
            wall_ms: wall.load(Ordering::Relaxed),
            uptime_ms: uptime.load(Ordering::Relaxed),
            boot: boot.clone(),
        })
    }

    /// Looked at every five minutes, as a gateway would at least.
    pub fn run(&self, clock: &Clock, ms: i64) {
        clock.look();
        for _ in 0..ms / 300_000 {
            self.go_on(300_000);
            clock.look();
        }
    }

    /// The same, and nobody looks.
    pub fn go_on(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::Relaxed);
        self.uptime_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

fn set_time(path: &Path, wall_ms: i64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(wall_ms as u64);
    std::fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}
