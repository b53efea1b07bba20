//! The loop of the way out, with a real queue, against a destination that hangs up or refuses as it is told.

mod bad_sector;
mod plain;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use plain::{LIVE, Plain};

use super::*;
use crate::config::{Config, Layers, PictureWait};
use crate::event::{Event, EventId, Feed, Lane, PersonType, Picture, Revision, Sequence};
use crate::queue::{Entry, Queue, Settings, Tally};
use crate::send::window::Poison;
use crate::send::{ConnectError, Window as SessionWindow};

/// It bounds what would hang; nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    HangsUp,
    RefusesForNow,
    /// As for a missing permission.
    Forbids,
}

/// What was sent: the number of the event, its type and device.
#[derive(Clone, Debug)]
struct Sent {
    number: i64,
    person_type: PersonType,
    device: String,
}

struct Moody {
    mood: Box<dyn Fn(&Sent) -> Mood + Send + Sync>,
    taken: Arc<Mutex<Vec<(Sent, Instant)>>>,
}

impl Destination for Arc<Moody> {
    type Message = Sent;
    type Session = Line;

    async fn connect(&self, _lane: Lane) -> Result<Line, ConnectError> {
        Ok(Line { moody: Arc::clone(self), wire: VecDeque::new(), is_lost: false })
    }
}

struct Line {
    moody: Arc<Moody>,
    wire: VecDeque<(Sequence, Sent)>,
    is_lost: bool,
}

impl Session for Line {
    type Message = Sent;

    fn window(&self) -> SessionWindow {
        SessionWindow { records: 1_000, bytes: usize::MAX }
    }

    fn submit(&mut self, sequence: Sequence, message: Sent) {
        self.wire.push_back((sequence, message));
    }

    async fn next(&mut self) -> Answer {
        // An answer takes a moment, so that the loop reads on meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.is_lost {
            std::future::pending::<()>().await;
        }
        let Some((sequence, sent)) = self.wire.pop_front() else { return std::future::pending().await };
        match (self.moody.mood)(&sent) {
            Mood::Takes => {
                self.moody.taken.lock().unwrap().push((sent, Instant::now()));
                Answer::Acknowledged { sequence, heard: true }
            }
            Mood::RefusesForNow => rejected(sequence, Reason::Passing),
            Mood::Forbids => rejected(sequence, Reason::NotAuthorised),
            Mood::HangsUp => {
                self.is_lost = true;
                Answer::Lost { error: "hung up".to_owned() }
            }
        }
    }
}

fn rejected(sequence: Sequence, reason: Reason) -> Answer {
    let rejection = Rejection { reason, detail: "not this one".to_owned(), verdict: PictureVerdict::default() };
    Answer::Rejected { sequence, rejection }
}

/// A queue with these events in it, and the loop that delivers them.
struct Rig {
    directory: tempfile::TempDir,
    queue: Queue,
    moody: Arc<Moody>,
    link: Arc<Link>,
    stop: CancellationToken,
    started: Instant,
    delivering: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn event(number: i64, person_type: PersonType, device: &str) -> Event {
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
    async fn start(events: &[(i64, PersonType, &str)], mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static) -> Rig {
        Rig::start_with(1_000, events, mood).await
    }

    /// With so many records in the window.
    async fn start_with(
        window_records: usize,
        events: &[(i64, PersonType, &str)],
        mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static,
    ) -> Rig {
        Rig::on(crate::disk::Disk::default(), Plain(false), window_records, events, mood).await
    }

    async fn on(
        disk: crate::disk::Disk,
        render: Plain,
        window_records: usize,
        events: &[(i64, PersonType, &str)],
        mood: impl Fn(&Sent) -> Mood + Send + Sync + 'static,
    ) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::open(Settings { disk, ..Settings::new(directory.path(), 64 << 20) }, &["mqtt"]).unwrap();
        let mut rig = Rig {
            moody: Arc::new(Moody { mood: Box::new(mood), taken: Arc::default() }),
            link: Arc::new(Link::new("mqtt", "mqtt")),
            stop: CancellationToken::new(),
            started: Instant::now(),
            delivering: None,
            directory,
            queue,
        };
        for (number, person_type, device) in events {
            rig.append(*number, *person_type, device).await;
        }
        let mut delivery = Delivery {
            lane: Lane::Normal,
            destination: Arc::new(Arc::clone(&rig.moody)),
            render,
            cursor: rig.queue.cursor("mqtt", Lane::Normal).unwrap(),
            verdicts: None,
            aside: Arc::new(Aside::open(&crate::disk::Disk::default(), rig.directory.path(), rig.queue.epoch(), 1 << 20).unwrap()),
            link: Arc::clone(&rig.link),
            settings: config::Send { window_records, ..Config::load(&Layers::default()).unwrap().send },
            is_expiring: false,
            ages: Arc::new(Ages::new(
                Arc::new(crate::clock::Clock::open(&crate::disk::Disk::default(), rig.directory.path())),
                rig.queue.newest(),
            )),
            reads: Reads::default(),
        };
        let stop = rig.stop.clone();
        rig.delivering = Some(tokio::spawn(async move { deliver(&mut delivery, stop).await }));
        rig
    }

    async fn append(&self, number: i64, person_type: PersonType, device: &str) {
        let event = event(number, person_type, device);
        let bytes = vec![number.unsigned_abs() as u8; 5_000].into();
        let pictures = vec![Picture { kind: crate::event::PictureKind::Face, bytes }];
        let entry = Entry { event, live_revision: None, pictures, lane: Lane::Normal };
        self.queue.append(entry).await.unwrap();
    }

    fn tally(&self) -> Tally {
        let status = self.queue.status();
        status.followers.into_iter().find(|follower| follower.lane == Lane::Normal).unwrap().tally
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{:?}", self.tally());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until so many are delivered and so many set aside; how long the deliveries took.
    async fn wait(&self, delivered: u64, set_aside: u64) -> Duration {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tally = self.tally();
            let taken = self.taken().len() as u64;
            if (taken, tally.set_aside) == (delivered, set_aside) {
                let last = self.moody.taken.lock().unwrap().last().map(|(_, at)| *at);
                return last.map_or(Duration::ZERO, |last| last - self.started);
            }
            assert!(Instant::now() < deadline, "{taken} of {delivered} delivered, {tally:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until all of these numbers are delivered.
    async fn wait_for(&self, numbers: impl Iterator<Item = i64>) {
        let deadline = Instant::now() + PATIENCE;
        for number in numbers {
            while !self.taken().iter().any(|sent| sent.number == number) {
                assert!(Instant::now() < deadline, "{number} never came: {:?}", self.tally());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Each device's events came in the order of their numbers.
    fn assert_order(&self) {
        let mut of_devices: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        self.taken().into_iter().for_each(|sent| of_devices.entry(sent.device).or_default().push(sent.number));
        assert!(of_devices.values().all(|numbers| numbers.is_sorted()), "{of_devices:?}");
    }

    fn taken(&self) -> Vec<Sent> {
        self.moody.taken.lock().unwrap().iter().map(|(sent, _)| sent.clone()).collect()
    }

    fn set_aside(&self) -> String {
        let folder = std::fs::read_dir(self.directory.path().join("aside")).unwrap();
        folder.map(|file| String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()).collect()
    }
}

const EMPLOYEE: PersonType = PersonType::Employee;
const STRANGER: PersonType = PersonType::Stranger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_that_the_connection_dies_on_is_set_aside_and_its_five_neighbours_arrive() {
    let events: Vec<_> = (1..=6).map(|number| (number, EMPLOYEE, "gate")).collect();
    let rig = Rig::start(&events, |sent| if sent.number == 2 { Mood::HangsUp } else { Mood::Takes }).await;
    rig.wait(5, 1).await;
    let aside = rig.set_aside();
    assert!(aside.contains(r#""reason":"poison""#) && aside.contains("topic employee/gate, 100 bytes"), "{aside}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_neighbours_that_the_connection_dies_on_do_not_hide_each_other() {
    let events: Vec<_> = (1..=12).map(|number| (number, EMPLOYEE, "gate")).collect();
    let rig = Rig::start(&events, |sent| if [3, 4].contains(&sent.number) { Mood::HangsUp } else { Mood::Takes }).await;
    rig.wait(10, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stranger_that_is_denied_by_hanging_up_costs_twenty_employees_no_more_than_seconds() {
    let denied = Arc::new(AtomicBool::new(true));
    let events: Vec<_> = [(1, STRANGER, "gate")].into_iter().chain((2..=21).map(|number| (number, EMPLOYEE, "gate"))).collect();
    let is_denied = Arc::clone(&denied);
    let mood = move |sent: &Sent| {
        if sent.person_type == STRANGER && is_denied.load(Ordering::Relaxed) { Mood::HangsUp } else { Mood::Takes }
    };
    let rig = Rig::start(&events, mood).await;
    let took = rig.wait(20, 0).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let deadline = Instant::now() + PATIENCE;
    while !rig.link.troubles().iter().any(|suspect| suspect.contains("stranger")) {
        assert!(Instant::now() < deadline, "{:?}", rig.link.troubles());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    denied.store(false, Ordering::Relaxed);
    rig.wait(21, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_is_denied_by_hanging_up_waits_whole_and_the_others_flow() {
    let type_of = |number| if number % 2 == 1 { STRANGER } else { EMPLOYEE };
    let events: Vec<_> = (1..=40).map(|number| (number, type_of(number), "gate")).collect();
    let rig = Rig::start(&events, |sent| if sent.person_type == STRANGER { Mood::HangsUp } else { Mood::Takes }).await;
    let took = rig.wait(20, 0).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(rig.taken().iter().all(|sent| sent.person_type == EMPLOYEE));
    assert!(rig.taken().is_sorted_by_key(|sent| sent.number));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_dies_on_everything_sets_nothing_aside_and_everything_arrives_when_it_is_well() {
    let well_at = Instant::now() + Duration::from_secs(6);
    let events: Vec<_> = (1..=60).map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "gate")).collect();
    let rig = Rig::start(&events, move |_| if Instant::now() < well_at { Mood::HangsUp } else { Mood::Takes }).await;
    rig.wait(60, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_a_passing_reason_arrives_in_order_and_nothing_is_set_aside() {
    let until = Instant::now() + Duration::from_secs(2);
    let events: Vec<_> = (1..=90).map(|number| (number, EMPLOYEE, ["gate", "door", "yard"][number as usize % 3])).collect();
    let rig = Rig::start(&events, move |_| if Instant::now() < until { Mood::RefusesForNow } else { Mood::Takes }).await;
    rig.wait(90, 0).await;
    rig.assert_order();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_refused_for_now_silences_no_other_however_much_waits_behind_it() {
    let over_quota = Arc::new(AtomicBool::new(true));
    // Four windows of another type stand behind the refused event.
    let behind = (2..=300).map(|number| (number, STRANGER, "gate"));
    let others = (301..=320).map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "door"));
    let events: Vec<_> = [(1, EMPLOYEE, "gate")].into_iter().chain(behind).chain(others).collect();
    let is_over_quota = Arc::clone(&over_quota);
    let refuses = move |sent: &Sent| sent.device == "gate" && is_over_quota.load(Ordering::Relaxed);
    let rig = Rig::start_with(20, &events, move |sent| if refuses(sent) { Mood::RefusesForNow } else { Mood::Takes }).await;
    rig.wait_for(301..=320).await;
    assert!(rig.taken().iter().all(|sent| sent.device == "door"));

    over_quota.store(false, Ordering::Relaxed);
    rig.wait(320, 0).await;
    rig.assert_order();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_refused_again_and_again_is_overtaken_by_none_of_its_own() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let events: Vec<_> = (1..=6).map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "gate")).collect();
    let counted = Arc::clone(&refusals);
    let mood = move |sent: &Sent| {
        let is_refused = sent.number == 1 && counted.fetch_add(1, Ordering::Relaxed) < 3;
        if is_refused { Mood::RefusesForNow } else { Mood::Takes }
    };
    // One in flight at first: what was on its way at the first refusal may pass.
    let rig = Rig::start_with(20, &events[..1], mood).await;
    rig.until(|| refusals.load(Ordering::Relaxed) > 0).await;
    for (number, person_type, device) in &events[1..] {
        rig.append(*number, *person_type, device).await;
    }
    rig.wait(6, 0).await;
    rig.assert_order();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_topic_that_is_forbidden_keeps_no_live_event_waiting_however_much_is_late() {
    let forbidden = Arc::new(AtomicBool::new(true));
    let late = (1..=400).map(|number| (number, EMPLOYEE, "gate"));
    let live = (1..=20).map(|number| (LIVE + number, EMPLOYEE, "gate"));
    let events: Vec<_> = late.chain(live).collect();
    let is_forbidden = Arc::clone(&forbidden);
    let forbids = move |sent: &Sent| sent.number < LIVE && is_forbidden.load(Ordering::Relaxed);
    let rig = Rig::start_with(20, &events, move |sent| if forbids(sent) { Mood::Forbids } else { Mood::Takes }).await;
    rig.wait_for(LIVE + 1..=LIVE + 20).await;
    assert!(rig.taken().iter().all(|sent| sent.number >= LIVE));

    // Of the late ones those that were refused before the topic was paused are set aside, and the others follow in order.
    forbidden.store(false, Ordering::Relaxed);
    rig.until(|| rig.tally().delivered + rig.tally().set_aside == 420).await;
    let late: Vec<_> = rig.taken().iter().map(|sent| sent.number).filter(|number| *number < LIVE).collect();
    assert!(late.is_sorted() && late.len() > 300, "{late:?}");
}
