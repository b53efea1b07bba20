//! A source with events in it, and the loop that delivers them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use super::moody::{Mood, Moody, Sent};
use super::plain::Plain;
use crate::gateway::kept::Aside;
use crate::gateway::{
    Ages, AsidePlace, Backlog, Delivery, DiskLog, Fetches, Line, Noted, Pauses, Records,
    Render as _, Unplaced, WithResent, deliver,
};
use crate::queue::{Entry, Queue, Settings, Tally};
use crate::send::contact::Contact;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Layers};
use boxbridge_event::{
    Event, EventId, Feed, Lane, PersonType, Picture, PictureKind, Revision, Timestamp,
};

/// It bounds what would hang; nothing here takes that long.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Where the events come from.
pub(super) enum Source {
    DiskLog(Disk),
    Memory,
}

pub(super) struct Rig {
    directory: tempfile::TempDir,
    /// Empty where the events are in memory.
    pub(super) queue: Queue,
    memory: Option<Memory>,
    pub(super) moody: Arc<Moody>,
    pub(super) contact: Arc<Contact>,
    pub(super) stop: CancellationToken,
    started: Instant,
    pub(super) aside: Arc<Aside>,
    /// By which set-aside records are sent again.
    pub(super) line: Arc<Line>,
    pub(super) delivering: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(super) fn event(number: i64, person_type: PersonType, device: &str) -> Event {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    let text = serde_json::json!({
        "id": EventId(id), "revision": Revision(1), "feed": Feed::Realtime, "occurred_at": Timestamp(number),
        "received_at": Timestamp::now(), "person_type": person_type, "identity": {"id": null, "name": null},
        "match": {"score": null, "group": null},
        "device": {"id": device, "ip": null, "type": "gate", "name": null, "box": null},
        "origin": {"site": "lobby", "gateway": "edge-1", "peer": "127.0.0.1", "authenticated": "none"},
        "clock": {"from": "box", "skew_ms": null},
        "pictures": {"registered": null, "scene": null, "face": null, "infrared": null},
        "quality": {"camera": null, "box": null}, "source": {}, "extra": {}, "warnings": [],
    });
    serde_json::from_value(text).unwrap()
}

impl Rig {
    pub(super) async fn start(
        events: &[(i64, PersonType, &str)],
        mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static,
    ) -> Rig {
        Rig::start_with(1_000, events, mood).await
    }

    /// With so many records in the window.
    pub(super) async fn start_with(
        window_records: usize,
        events: &[(i64, PersonType, &str)],
        mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static,
    ) -> Rig {
        Rig::on(
            Source::DiskLog(Disk::default()),
            Plain(false),
            window_records,
            events,
            mood,
        )
        .await
    }

    pub(super) async fn on(
        source: Source,
        render: Plain,
        window_records: usize,
        events: &[(i64, PersonType, &str)],
        mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static,
    ) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let (disk, memory) = match source {
            Source::DiskLog(disk) => (disk, None),
            Source::Memory => (Disk::default(), Some(Memory::default())),
        };
        let queue = Queue::open(
            Settings {
                disk: disk.clone(),
                // What the disk does is to be seen.
                recent_event_bytes: 0,
                recent_picture_bytes: 0,
                ..Settings::new(directory.path(), 64 << 20)
            },
            &["mqtt"],
        )
        .unwrap();
        let aside = Aside::open(&disk, directory.path(), queue.epoch(), 1 << 20);
        let aside = Arc::new(aside.unwrap());
        let mut rig = Rig {
            moody: Arc::new(Moody {
                mood: Box::new(mood),
                taken: Arc::default(),
            }),
            contact: Arc::new(Contact::new("mqtt", "mqtt")),
            stop: CancellationToken::new(),
            started: Instant::now(),
            line: Arc::new(Line::new(
                "mqtt".into(),
                Arc::clone(&aside),
                queue.clone(),
                Arc::default(),
                None,
            )),
            aside,
            delivering: None,
            directory,
            queue,
            memory,
        };
        for (number, person_type, device) in events {
            rig.append(*number, *person_type, device).await;
        }

        let settings = boxbridge_config::Send {
            window_records,
            ..Config::load(&Layers::default()).unwrap().send
        };
        rig.delivering = Some(match &rig.memory {
            None => {
                let source = WithResent::new(rig.disk_log(), Some(Arc::clone(&rig.line)));
                rig.deliver(source, render, settings)
            }
            Some(memory) => {
                let source = WithResent::new(memory.reader(), Some(Arc::clone(&rig.line)));
                rig.deliver(source, render, settings)
            }
        });
        rig
    }

    fn disk_log(&self) -> DiskLog {
        let clock = Clock::open(&Disk::default(), self.directory.path());
        DiskLog {
            answers: Arc::default(),
            cursor: self.queue.cursor("mqtt", Lane::Normal).unwrap(),
            ages: Arc::new(Ages::new(Arc::new(clock), self.queue.newest())),
        }
    }

    fn deliver(
        &self,
        source: impl Records,
        render: Plain,
        settings: boxbridge_config::Send,
    ) -> tokio::task::JoinHandle<()> {
        let mut delivery = Delivery {
            lane: Lane::Normal,
            destination: Arc::new(Arc::clone(&self.moody)),
            backlog: Backlog::new(source, &settings, render.poison()),
            render,
            events: Arc::default(),
            verdicts: None,
            aside: AsidePlace::Folder(Arc::clone(&self.aside)),
            unplaced: Unplaced::default(),
            contact: Arc::clone(&self.contact),
            noted: Noted::of(&Arc::new(Pauses::open(
                &Disk::default(),
                self.directory.path(),
            ))),
            retry_max: settings.retry_max,
            album: None,
            fetches: Fetches::default(),
            is_expiring: false,
        };
        let stop = self.stop.clone();
        tokio::spawn(async move { deliver(&mut delivery, stop).await })
    }

    pub(super) async fn append(&self, number: i64, person_type: PersonType, device: &str) {
        let event = event(number, person_type, device);
        let bytes = vec![number.unsigned_abs() as u8; 5_000].into();
        let pictures = vec![Picture {
            kind: PictureKind::Face,
            bytes,
        }];
        if let Some(memory) = &self.memory {
            return memory.append(&event, pictures);
        }
        let entry = Entry {
            event,
            live_revision: None,
            pass: None,
            pictures,
            lane: Lane::Normal,
        };
        self.queue.append(entry).await.unwrap();
    }

    pub(super) fn tally(&self) -> Tally {
        if let Some(memory) = &self.memory {
            return memory.tally();
        }
        let status = self.queue.status();
        status
            .subscriptions
            .into_iter()
            .find(|subscription| subscription.lane == Lane::Normal)
            .unwrap()
            .tally
    }

    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{:?}", self.tally());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until so many are delivered and so many set aside; how long the deliveries took.
    pub(super) async fn wait(&self, delivered: u64, set_aside: u64) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tally = self.tally();
            let taken = self.taken().len() as u64;
            if (taken, tally.set_aside) == (delivered, set_aside) {
                let last = self.moody.taken.lock().last().map(|(_, at)| *at);
                return last.map_or(Duration::ZERO, |last| last - self.started);
            }
            assert!(
                Instant::now() < deadline,
                "{taken} of {delivered} delivered, {tally:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until all of these numbers are delivered.
    pub(super) async fn wait_for(&self, numbers: impl Iterator<Item = i64>) {
        let deadline = Instant::now() + PATIENCE;
        for number in numbers {
            while !self.taken().iter().any(|sent| sent.number == number) {
                assert!(
                    Instant::now() < deadline,
                    "{number} never came: {:?}",
                    self.tally()
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Each device's events came in the order of their numbers.
    pub(super) fn assert_order(&self) {
        self.assert_order_of(|sent| sent.device.clone());
    }

    /// The same of each type of a device.
    pub(super) fn assert_order_of_topics(&self) {
        self.assert_order_of(|sent| (sent.device.clone(), sent.person_type));
    }

    fn assert_order_of<K: Ord + std::fmt::Debug>(&self, key: impl Fn(&Sent) -> K) {
        let mut numbers: BTreeMap<K, Vec<i64>> = BTreeMap::new();
        for sent in self.taken() {
            numbers.entry(key(&sent)).or_default().push(sent.number);
        }
        assert!(numbers.values().all(|of| of.is_sorted()), "{numbers:?}");
    }

    pub(super) fn taken(&self) -> Vec<Sent> {
        self.moody
            .taken
            .lock()
            .iter()
            .map(|(sent, _)| sent.clone())
            .collect()
    }

    /// Whether the set-aside store finds its folder.
    pub(super) fn has_aside_folder(&self, has: bool) {
        let paths = ["aside", "away"].map(|name| self.directory.path().join(name));
        let [from, to] = if has { [1, 0] } else { [0, 1] }.map(|place: usize| &paths[place]);
        std::fs::rename(from, to).unwrap();
    }

    pub(super) fn set_aside(&self) -> String {
        let folder = std::fs::read_dir(self.directory.path().join("aside")).unwrap();
        folder
            .map(|file| {
                String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()
            })
            .collect()
    }
}
