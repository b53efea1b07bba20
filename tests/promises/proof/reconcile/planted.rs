//! A run in which all went well, made by hand, to plant faults into.

use std::collections::BTreeMap;

use boxbridge_config::{Config, Layers};
use boxbridge_event::{EventId, Feed, PersonType, PictureKind, PictureState, Revision, Timestamp};
use boxbridge_proof::reconcile::{
    Arrival, Delivered, DeliveredPicture, Finding, Recorded, Report, Rules, StoredObject, Stream,
    judge,
};
use boxbridge_proof::simulate::{Entry, Marker, Sent};

const EVENTS: u32 = 40;

pub fn rules() -> Rules {
    Rules::of(&Config::load(&Layers::default()).unwrap())
}

pub fn picture(number: u32) -> String {
    format!("{number:016x}{:048x}", 0)
}

/// Two devices take turns; everybody is an employee, but for a VIP now and then.
pub fn entry(number: u32) -> Entry {
    Entry {
        marker: Marker {
            run: 0xabcd,
            number,
        },
        feed: Feed::Realtime,
        device: format!("192.168.1.{}", 1 + number % 2),
        sequence: number / 2,
        person_type: if number % 10 == 9 {
            PersonType::Vip
        } else {
            PersonType::Employee
        },
        identity: format!("person {number}"),
        score: 0.6231,
        occurred_at: Timestamp(1_566_016_554_020 + i64::from(number)),
        pictures: BTreeMap::from([
            (
                PictureKind::Registered,
                Sent {
                    sha256: picture(1),
                    bytes: 1_000,
                },
            ),
            (
                PictureKind::Scene,
                Sent {
                    sha256: picture(100 + number),
                    bytes: 2_000,
                },
            ),
        ]),
        sent_at: Timestamp(1_566_016_554_500),
        answered_at: Some(Timestamp(1_566_016_554_501)),
        latency_ms: 1.0,
        status: Some(200),
        reason: None,
        event_id: Some(EventId([number as u8; 16])),
        revision: None,
    }
}

pub fn key(kind: PictureKind, sha256: &str) -> String {
    format!("{kind}/{sha256}.jpg")
}

pub fn delivered(entry: &Entry) -> Delivered {
    let picture = |(kind, sent): (&PictureKind, &Sent)| {
        let said = DeliveredPicture {
            key: Some(key(*kind, &sent.sha256)),
            sha256: Some(sent.sha256.clone()),
            bytes: Some(sent.bytes),
            stored: Some(true),
            state: Some(PictureState::Ok),
        };
        (*kind, said)
    };

    Delivered {
        id: entry.event_id,
        revision: Some(Revision(entry.marker.number)),
        feed: Some(entry.feed),
        device: Some(entry.device.clone()),
        person_type: Some(entry.person_type),
        identity: Some(entry.identity.clone()),
        score: Some(entry.score),
        occurred_at: Some(entry.occurred_at),
        act_before: Some(Timestamp(i64::MAX)),
        replay: false,
        pictures: entry.pictures.iter().map(picture).collect(),
    }
}

pub fn arrival(entry: &Entry) -> Arrival {
    Arrival {
        bus: "mqtt".to_owned(),
        topic: "boxbridge/default/events/x/y".to_owned(),
        stream: Stream::Live,
        arrived_at: Timestamp(1_566_016_555_000),
        retained: false,
        marker: entry.marker,
        event: Some(delivered(entry)),
    }
}

pub fn listening(bus: &str) -> Recorded {
    Recorded::Listening(bus.to_owned())
}

/// A run in which all went well, to plant faults into.
pub struct Run {
    pub ledger: Vec<Entry>,
    pub arrivals: Vec<Arrival>,
    pub objects: Vec<StoredObject>,
}

impl Run {
    pub fn good() -> Run {
        let ledger: Vec<_> = (0..EVENTS).map(entry).collect();
        let arrivals = ledger.iter().map(arrival).collect();
        let mut objects = BTreeMap::new();
        for (kind, sent) in ledger.iter().flat_map(|entry| &entry.pictures) {
            let key = key(*kind, &sent.sha256);
            let object = StoredObject {
                key: key.clone(),
                bytes: sent.bytes,
                sha256: Some(sent.sha256.clone()),
            };
            objects.insert(key, object);
        }
        Run {
            ledger,
            arrivals,
            objects: objects.into_values().collect(),
        }
    }

    pub fn planted(fault: impl FnOnce(&mut Run)) -> Report {
        let mut run = Run::good();
        fault(&mut run);
        run.judge()
    }

    pub fn judge(self) -> Report {
        let lines = std::iter::once(listening("mqtt"))
            .chain(self.arrivals.into_iter().map(Recorded::Arrival));
        judge(rules(), self.ledger, lines, Some(self.objects)).unwrap()
    }

    pub fn delivered(&mut self, number: usize) -> &mut Delivered {
        self.arrivals[number].event.as_mut().unwrap()
    }

    pub fn said(&mut self, number: usize, kind: PictureKind) -> &mut DeliveredPicture {
        self.delivered(number).pictures.get_mut(&kind).unwrap()
    }

    pub fn delete_object(&mut self, picture: &str) {
        self.objects.retain(|object| !object.key.contains(picture));
    }
}

/// The names of all findings that found something, with how much.
pub fn found(report: &Report) -> Vec<(&'static str, u64)> {
    let bus = &report.buses["mqtt"];
    let store = report.store.as_ref().unwrap();
    let findings: [(&'static str, &Finding); 14] = [
        ("lost", &bus.lost),
        ("wrong", &bus.wrong),
        ("stale", &bus.stale),
        ("duplicated", &bus.duplicated),
        ("reordered", &bus.reordered),
        ("late", &bus.late),
        ("unacknowledged", &bus.unacknowledged),
        ("unexpected", &bus.unexpected),
        ("replayed", &bus.replayed),
        ("object lost", &store.lost),
        ("dangling", &store.dangling),
        ("object wrong", &store.wrong),
        ("pending", &store.pending),
        ("given up", &store.given_up),
    ];

    findings
        .into_iter()
        .filter(|(_, finding)| finding.count > 0)
        .map(|(name, finding)| (name, finding.count))
        .collect()
}

#[track_caller]
pub fn check(fault: impl FnOnce(&mut Run), expected: &[(&str, u64)], passes: bool) -> Report {
    let report = Run::planted(fault);
    assert_eq!(found(&report), expected, "{report}");
    assert_eq!(report.passes(), passes, "{report}");
    report
}
