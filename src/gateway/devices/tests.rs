//! The table as accept fills it: who is forgotten, what outlives a restart, what is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::table::DEVICES_MAX;
use super::{Devices, Wanted, saved};
use crate::normalize::{DeviceReport, StatusReport};
use crate::send::board::{Board, Reader};
use crate::system::clock::Clock;
use crate::system::disk::{Call, Disk};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{BoxPass, DeviceState, Event, Feed, ShareKey, Source, Timestamp};

struct Rig {
    directory: tempfile::TempDir,
    devices: Devices,
    told: Reader,
}

impl Rig {
    fn new() -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let (devices, told) = open(&directory, &[]);
        Rig {
            directory,
            devices,
            told,
        }
    }

    /// The next run on the same directory.
    fn restarted(self, settings: &[(&str, &str)]) -> Rig {
        self.devices.save().unwrap();
        let (devices, told) = open(&self.directory, settings);
        Rig {
            devices,
            told,
            ..self
        }
    }

    fn sends(&self, peer: &str, device: &str) {
        self.devices.sent(&source(peer), &event(device));
    }

    fn reports(&self, peer: &str, device: &str, is_online: bool) {
        let of_device = DeviceReport {
            id: device.to_owned(),
            is_online: Some(is_online),
            ..DeviceReport::default()
        };
        let report = StatusReport {
            devices: vec![of_device],
            ..StatusReport::default()
        };
        self.devices.reported(&source(peer), &report);
    }

    fn names(&self) -> BTreeSet<String> {
        let rows = self.devices.rows().into_iter();
        rows.map(|row| row.device).collect()
    }

    fn told(&mut self) -> Vec<(String, Option<DeviceState>)> {
        std::iter::from_fn(|| self.told.read())
            .map(|status| (status.device.to_string(), status.state))
            .collect()
    }
}

fn open(directory: &tempfile::TempDir, settings: &[(&str, &str)]) -> (Devices, Reader) {
    open_on(&Disk::default(), directory, settings)
}

fn open_on(
    disk: &Disk,
    directory: &tempfile::TempDir,
    settings: &[(&str, &str)],
) -> (Devices, Reader) {
    let own = (
        "data_dir".to_owned(),
        directory.path().display().to_string(),
    );
    let given = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let config = Config::load(&Layers {
        flags: given.chain([own]).collect(),
        ..Layers::default()
    });
    let board = Arc::new(Board::default());
    let clock = Clock::open(disk, directory.path());
    let devices = Devices::open(disk, &config.unwrap(), &clock, Arc::clone(&board));
    (devices, board.reader())
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

fn event(device: &str) -> Event {
    let now = Timestamp::now();
    serde_json::from_value(json!({
        "id": "00000000-0000-0000-0000-000000000000", "revision": "00000000", "feed": "realtime",
        "occurred_at": now, "received_at": now, "person_type": "vip", "identity": {"id": null, "name": null},
        "match": {"score": null, "group": null},
        "device": {"id": device, "ip": device, "type": "gate", "name": null, "box": "L-1"},
        "origin": {"site": "default", "gateway": "edge-1", "peer": "10.0.0.1", "authenticated": "none"},
        "clock": {"from": "box", "skew_ms": 250}, "pictures": {}, "quality": {"camera": {}, "box": {}},
        "source": {}, "extra": {}, "warnings": [{"code": "clock_skewed", "field": "timestamp"}],
    }))
    .unwrap()
}

#[test]
fn a_source_that_invents_devices_forgets_nobody_elses() {
    let mut rig = Rig::new();
    for number in 0..20 {
        rig.sends(&format!("10.0.1.{number}"), &format!("real-{number}"));
    }
    rig.reports("10.0.2.1", "reported", true);
    for number in 0..20_000 {
        rig.sends("10.0.0.66", &format!("invented-{number}"));
    }

    let names = rig.names();
    assert_eq!(names.len(), DEVICES_MAX);
    assert!(names.contains("reported") && names.contains("invented-19999"));
    assert!((0..20).all(|number| names.contains(&format!("real-{number}"))));
    assert!(!names.contains("invented-0"), "the least recently seen");
    assert_eq!(
        rig.told(),
        [("reported".to_owned(), Some(DeviceState::Online))]
    );

    // A newcomer with few devices finds room.
    rig.sends("10.0.1.1", "real-new");
    assert!(rig.names().contains("real-new"));
}

#[test]
fn a_row_says_what_traffic_told() {
    let rig = Rig::new();
    rig.sends("10.0.0.1", "10.0.0.9");
    rig.sends("10.0.0.1", "10.0.0.9");
    rig.devices.refused(&source("10.0.0.1"));

    let rows = Wanted::default().among(rig.devices.rows());
    let [sender, device] = rows.as_slice() else {
        panic!("{rows:#?}");
    };
    assert_eq!(
        (sender.device.as_str(), sender.refusals_per_hour),
        ("10.0.0.1", 1)
    );
    assert_eq!(
        (sender.last_seen, sender.status),
        (None, DeviceState::Offline)
    );

    let row = serde_json::to_value(device).unwrap();
    for (member, expected) in [
        ("device", json!("10.0.0.9")),
        ("site", json!("default")),
        ("status", json!("online")),
        ("type", json!("gate")),
        ("box", json!("L-1")),
        ("dialect", json!("nested")),
        ("events_per_hour", json!(2)),
        ("missing_pictures_per_hour", json!(2)),
        ("clock_skew_ms", json!(250)),
        ("warnings", json!(["clock_skewed"])),
        ("peer", json!("10.0.0.1")),
    ] {
        assert_eq!(row[member], expected, "{member}");
    }
}

#[test]
fn what_is_known_outlives_the_process_and_is_told_again() {
    let mut rig = Rig::new();
    rig.sends("10.0.0.1", "10.0.0.9");
    rig.reports("10.0.0.1", "10.0.0.8", false);
    let before = rig.devices.rows();
    assert_eq!(
        rig.told(),
        [("10.0.0.8".to_owned(), Some(DeviceState::Offline))]
    );

    let mut rig = rig.restarted(&[]);
    let seen = |rows: Vec<super::Row>| {
        let seen = rows
            .into_iter()
            .map(|row| (row.device, row.last_seen, row.status));
        seen.collect::<BTreeSet<_>>()
    };
    assert_eq!(seen(rig.devices.rows()), seen(before));
    assert_eq!(
        rig.told(),
        [("10.0.0.8".to_owned(), Some(DeviceState::Offline))]
    );
}

#[test]
fn it_tells_from_where_something_came_within_a_day_also_after_a_start() {
    let rig = Rig::new();
    let sender = [ShareKey::of_peer("10.0.0.1")];
    rig.sends("10.0.0.1", "new");
    rig.devices.refused(&source("10.0.0.2"));
    let rig = rig.restarted(&[]);
    assert_eq!(rig.devices.senders(), sender);

    let mut old = event("old");
    old.feed = Feed::History;
    old.occurred_at = Timestamp(old.received_at.0 - 25 * 3_600_000);
    rig.devices.sent(&source("10.0.0.3"), &old);
    assert_eq!(rig.devices.senders(), sender);
}

#[test]
fn a_file_that_is_damaged_begins_anew() {
    let rig = Rig::new();
    rig.sends("10.0.0.1", "10.0.0.9");
    rig.devices.save().unwrap();
    std::fs::write(rig.directory.path().join("devices"), b"{\"saved_at\":").unwrap();

    let (devices, _) = open(&rig.directory, &[]);
    assert!(devices.rows().is_empty());
    devices.sent(&source("10.0.0.1"), &event("10.0.0.7"));
    devices.save().unwrap();
    let (devices, _) = open(&rig.directory, &[]);
    assert_eq!(devices.rows().len(), 1);
}

#[test]
fn the_inventory_names_devices_keeps_them_and_tells_of_them() {
    let rig = Rig::new();
    rig.sends("10.0.0.1", "10.0.0.9");
    let file = rig.directory.path().join("inventory.csv");
    let text = "ip,name,door,site,expected\n10.0.0.9,East,Gate 1,,\n10.0.0.5,Spare,,,no\n";
    std::fs::write(&file, text).unwrap();

    let mut rig = rig.restarted(&[("ingest.devices.file", file.to_str().unwrap())]);
    let rows = Wanted::default().among(rig.devices.rows());
    let named: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_deref(), row.door.as_deref(), row.expected))
        .collect();
    assert_eq!(
        named,
        [
            (Some("Spare"), None, Some(false)),
            (Some("East"), Some("Gate 1"), Some(true))
        ]
    );
    assert_eq!(rig.told().len(), 2);

    for number in 0..DEVICES_MAX + 5 {
        rig.sends("10.0.0.66", &format!("invented-{number}"));
    }
    let names = rig.names();
    assert!(names.contains("10.0.0.5") && names.contains("10.0.0.9"));
    assert_eq!(names.len(), DEVICES_MAX);

    // Out of the inventory, the one that was never heard of is forgotten.
    rig.devices.adopt(&boxbridge_config::Devices::default());
    assert!(!rig.names().contains("10.0.0.5"));
    let told: BTreeSet<_> = rig.told().into_iter().collect();
    let cleared = ["10.0.0.5", "10.0.0.9"].map(|device| (device.to_owned(), None));
    assert_eq!(told, BTreeSet::from(cleared));
}

#[test]
fn the_sentence_of_the_silent_is_short() {
    let silent = |count: usize| {
        let all: Vec<_> = (0..count)
            .map(|number| {
                (
                    Some(Timestamp(0)),
                    "lobby".into(),
                    format!("10.0.0.{number}").into(),
                )
            })
            .collect();
        super::sentence(&all)
    };
    assert_eq!(silent(0), None);
    assert_eq!(
        silent(1).unwrap(),
        "1 device is silent: lobby/10.0.0.0, last seen 1970-01-01T00:00:00.000Z"
    );
    let many = silent(5_000).unwrap();
    assert!(many.starts_with("5000 devices are silent: lobby/10.0.0.0, last seen "));
    assert!(many.ends_with(" and 4997 more (boxbridge devices --silent)") && many.len() < 250);
}

#[test]
fn a_disk_that_does_not_take_it_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_full);
    let disk = Disk::failing(move |call, path| {
        let refuses = call == Call::Sync && path.ends_with("devices.unfinished");
        match refuses && asked.load(Ordering::Relaxed) {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    });

    let (devices, _) = open_on(&disk, &directory, &[]);
    devices.sent(&source("10.0.0.1"), &event("10.0.0.9"));
    assert!(devices.save().is_err());
    assert!(saved(&disk, directory.path()).unwrap().is_none());

    is_full.store(false, Ordering::Relaxed);
    devices.save().unwrap();
    let saved = saved(&disk, directory.path()).unwrap();
    assert_eq!(saved.unwrap().devices.len(), 1);
}
