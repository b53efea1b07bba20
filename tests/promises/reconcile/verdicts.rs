//! Every verdict by a fault planted into arrivals and objects made by hand.

use std::collections::BTreeMap;

use boxbridge::commands::reconcile::{
    Arrival, Bus, Delivered, DeliveredPicture, Finding, Line, Report, Rules, StoredObject, Stream, judge,
};
use boxbridge::commands::simulate::{Entry, Marker, Sent};
use boxbridge::config::{Config, Layers};
use boxbridge::event::{EventId, Feed, PersonType, PictureKind, PictureState, Revision, Timestamp};

const EVENTS: u32 = 40;

fn rules() -> Rules {
    Rules::new(Config::load(&Layers::default()).unwrap().routes)
}

fn picture(number: u32) -> String {
    format!("{number:016x}{:048x}", 0)
}

/// Two devices take turns; everybody is an employee, but for a VIP now and then.
fn entry(number: u32) -> Entry {
    Entry {
        marker: Marker { run: 0xabcd, number },
        feed: Feed::Realtime,
        device: format!("192.168.1.{}", 1 + number % 2),
        sequence: number / 2,
        person_type: if number % 10 == 9 { PersonType::Vip } else { PersonType::Employee },
        identity: format!("person {number}"),
        score: 0.6231,
        occurred_at: Timestamp(1_566_016_554_020 + i64::from(number)),
        pictures: BTreeMap::from([
            (PictureKind::Registered, Sent { sha256: picture(1), bytes: 1_000 }),
            (PictureKind::Scene, Sent { sha256: picture(100 + number), bytes: 2_000 }),
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

fn key(kind: PictureKind, sha256: &str) -> String {
    format!("{kind}/{sha256}.jpg")
}

fn delivered(entry: &Entry) -> Delivered {
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

fn arrival(entry: &Entry) -> Arrival {
    Arrival {
        bus: Bus::Mqtt,
        topic: "boxbridge/default/events/x/y".to_owned(),
        stream: Stream::Live,
        arrived_at: Timestamp(1_566_016_555_000),
        retained: false,
        marker: entry.marker,
        event: Some(delivered(entry)),
    }
}

/// A run in which all went well, to plant faults into.
struct Run {
    ledger: Vec<Entry>,
    arrivals: Vec<Arrival>,
    objects: Vec<StoredObject>,
}

impl Run {
    fn good() -> Run {
        let ledger: Vec<_> = (0..EVENTS).map(entry).collect();
        let arrivals = ledger.iter().map(arrival).collect();
        let mut objects = BTreeMap::new();
        for (kind, sent) in ledger.iter().flat_map(|entry| &entry.pictures) {
            let key = key(*kind, &sent.sha256);
            let object = StoredObject { key: key.clone(), bytes: sent.bytes, sha256: Some(sent.sha256.clone()) };
            objects.insert(key, object);
        }
        Run { ledger, arrivals, objects: objects.into_values().collect() }
    }

    fn planted(fault: impl FnOnce(&mut Run)) -> Report {
        let mut run = Run::good();
        fault(&mut run);
        run.judge()
    }

    fn judge(self) -> Report {
        let lines = std::iter::once(Line::Listening(Bus::Mqtt)).chain(self.arrivals.into_iter().map(Line::Arrival));
        judge(rules(), self.ledger, lines, Some(self.objects))
    }

    fn delivered(&mut self, number: usize) -> &mut Delivered {
        self.arrivals[number].event.as_mut().unwrap()
    }

    fn said(&mut self, number: usize, kind: PictureKind) -> &mut DeliveredPicture {
        self.delivered(number).pictures.get_mut(&kind).unwrap()
    }

    fn delete_object(&mut self, picture: &str) {
        self.objects.retain(|object| !object.key.contains(picture));
    }
}

/// The names of all findings that found something, with how much.
fn found(report: &Report) -> Vec<(&'static str, u64)> {
    let bus = &report.buses[&Bus::Mqtt];
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
    findings.into_iter().filter(|(_, finding)| finding.count > 0).map(|(name, finding)| (name, finding.count)).collect()
}

#[track_caller]
fn check(fault: impl FnOnce(&mut Run), expected: &[(&str, u64)], passes: bool) -> Report {
    let report = Run::planted(fault);
    assert_eq!(found(&report), expected, "{report}");
    assert_eq!(report.passes(), passes, "{report}");
    report
}

#[test]
fn a_run_in_which_all_went_well_has_no_findings() {
    let report = check(|_| {}, &[], true);
    let bus = &report.buses[&Bus::Mqtt];
    assert_eq!((bus.expected, bus.received, bus.messages), (40, 40, 40));
    let store = report.store.as_ref().unwrap();
    assert_eq!((store.expected, store.stored, store.verified), (41, 41, 41));
    assert!(report.passes_strictly());
}

#[test]
fn a_message_removed_is_lost() {
    let report = check(|run| drop(run.arrivals.remove(7)), &[("lost", 1)], false);
    let example = &report.buses[&Bus::Mqtt].lost.examples[0];
    assert!(example.starts_with("event 0000abcd-7 (employee, realtime, device 192.168.1.2, sequence 3)"), "{example}");
}

#[test]
fn a_bus_that_was_listened_to_and_gave_nothing_lost_everything() {
    check(|run| run.arrivals.clear(), &[("lost", 40)], false);
}

#[test]
fn a_message_twice_is_one_duplicate_however_often_it_came() {
    let twice = |run: &mut Run| run.arrivals.extend([run.arrivals[3].clone(), run.arrivals[3].clone()]);
    let report = check(twice, &[("duplicated", 1)], true);
    assert!(!report.passes_strictly());
}

#[test]
fn a_suffix_that_is_sent_again_is_duplicated_and_not_reordered() {
    let again = |run: &mut Run| run.arrivals.extend_from_within(30..);
    check(again, &[("duplicated", 10)], true);
}

#[test]
fn a_swap_within_a_device_is_reordered() {
    let report = check(|run| run.arrivals.swap(4, 6), &[("reordered", 1)], true);
    assert!(!report.passes_strictly());
}

#[test]
fn devices_lanes_and_late_topics_have_orders_of_their_own() {
    check(|run| run.arrivals.swap(4, 5), &[], true);
    // 9 is a VIP: urgent, and free to overtake 1, 3, 5 and 7 of its device.
    let overtake = |run: &mut Run| {
        let vip = run.arrivals.remove(9);
        run.arrivals.insert(0, vip);
    };
    check(overtake, &[], true);
    let late_after_all = |run: &mut Run| {
        let mut late = run.arrivals.remove(4);
        late.stream = Stream::Late;
        run.arrivals.push(late);
    };
    check(late_after_all, &[("late", 1)], true);
}

#[test]
fn what_was_not_acknowledged_may_be_missing_or_come_at_any_time() {
    let refuse = |run: &mut Run, number: usize| {
        run.ledger[number].status = None;
        run.ledger[number].event_id = None;
    };
    let missing = |run: &mut Run| {
        refuse(run, 4);
        run.arrivals.remove(4);
        run.delete_object(&picture(104));
    };
    check(missing, &[], true);
    let delivered = |run: &mut Run| {
        refuse(run, 4);
        let arrival = run.arrivals.remove(4);
        run.arrivals.push(arrival);
    };
    check(delivered, &[("unacknowledged", 1)], true);
}

#[test]
fn another_content_is_wrong_and_the_field_is_named() {
    type Fault = fn(&mut Run);
    let faults: [(&str, Fault); 13] = [
        ("id", |run| run.delivered(5).id = Some(EventId([99; 16]))),
        ("revision", |run| run.delivered(5).revision = None),
        ("feed", |run| run.delivered(5).feed = Some(Feed::Platform)),
        ("device.id", |run| run.delivered(5).device = Some("192.168.1.1".to_owned())),
        ("person_type", |run| run.delivered(5).person_type = Some(PersonType::Vip)),
        ("identity.id", |run| run.delivered(5).identity = Some("person 6".to_owned())),
        ("match.score", |run| run.delivered(5).score = Some(0.63)),
        ("occurred_at", |run| run.delivered(5).occurred_at = Some(Timestamp(1_566_016_554_026))),
        ("topic", |run| run.arrivals[5].stream = Stream::Elsewhere),
        ("pictures.face", |run| {
            let scene = run.said(5, PictureKind::Scene).clone();
            run.delivered(5).pictures.insert(PictureKind::Face, scene);
        }),
        ("pictures.scene.bytes", |run| run.said(5, PictureKind::Scene).bytes = Some(1_999)),
        ("pictures.scene.key", |run| run.said(5, PictureKind::Scene).key = None),
        ("pictures.scene.sha256", |run| {
            let other = run.said(7, PictureKind::Scene).clone();
            *run.said(5, PictureKind::Scene) = other;
        }),
    ];
    for (field, fault) in faults {
        let report = Run::planted(fault);
        let wrong = &report.buses[&Bus::Mqtt].wrong;
        assert_eq!(wrong.count, 1, "{field}: {report}");
        assert!(wrong.examples[0].ends_with(&format!(": {field}")), "{field}: {}", wrong.examples[0]);
        assert!(!report.passes());
    }
    check(
        |run| {
            run.delivered(5).pictures.remove(&PictureKind::Registered);
        },
        &[("wrong", 1)],
        false,
    );
}

#[test]
fn two_destinations_must_agree_on_the_revision() {
    let mut run = Run::good();
    let mut other = run.arrivals[5].clone();
    other.bus = Bus::Kafka;
    other.event.as_mut().unwrap().revision = Some(Revision(77));
    run.arrivals.push(other);
    let report = run.judge();
    assert_eq!(report.buses[&Bus::Kafka].wrong.examples.len(), 1);
    assert_eq!(report.buses[&Bus::Kafka].lost.count, 39);
}

#[test]
fn nothing_that_one_may_not_act_on_may_be_on_a_live_topic() {
    check(|run| run.delivered(5).act_before = None, &[("stale", 1)], false);
    check(|run| run.arrivals[5].retained = true, &[("stale", 1)], false);
    let late = |run: &mut Run| {
        run.delivered(5).act_before = None;
        run.arrivals[5].stream = Stream::Late;
    };
    check(late, &[("late", 1)], true);
}

#[test]
fn a_marked_replay_is_no_duplicate_and_counts_as_received() {
    let replay = |run: &mut Run| {
        let mut again = run.arrivals[5].clone();
        again.stream = Stream::Late;
        again.event.as_mut().unwrap().replay = true;
        again.event.as_mut().unwrap().act_before = None;
        run.arrivals.push(again);
    };
    check(replay, &[("replayed", 1)], true);
    let only = |run: &mut Run| {
        replay(run);
        run.arrivals.remove(5);
    };
    check(only, &[("replayed", 1)], true);
}

#[test]
fn an_object_deleted_is_dangling_where_a_message_claims_it() {
    let report = check(|run| run.delete_object(&picture(105)), &[("dangling", 1)], false);
    assert!(report.store.unwrap().dangling.examples[0].ends_with("of event 0000abcd-5"));
    // The registered picture is one object of many events.
    check(|run| run.delete_object(&picture(1)), &[("dangling", 1)], false);
}

#[test]
fn an_object_under_another_key_than_the_message_says_is_dangling() {
    check(|run| run.said(5, PictureKind::Scene).key = Some(format!("face/{}.jpg", picture(105))), &[("dangling", 1)], false);
}

#[test]
fn an_object_that_is_announced_and_not_there_yet_is_pending() {
    let pending = |run: &mut Run| {
        run.said(5, PictureKind::Scene).stored = Some(false);
        run.delete_object(&picture(105));
    };
    let report = check(pending, &[("pending", 1)], true);
    assert!(!report.passes_strictly());
    check(|run| run.said(5, PictureKind::Scene).stored = Some(false), &[], true);
}

#[test]
fn a_picture_that_will_not_come_is_given_up_and_not_lost() {
    for state in [PictureState::Missing, PictureState::NotStored] {
        let given_up = |run: &mut Run| {
            run.said(5, PictureKind::Scene).stored = Some(false);
            run.said(5, PictureKind::Scene).state = Some(state);
            run.delete_object(&picture(105));
        };
        check(given_up, &[("given up", 1)], true);
    }
}

#[test]
fn a_picture_that_no_message_speaks_of_and_that_is_not_there_is_lost() {
    let lost = |run: &mut Run| {
        run.arrivals.remove(5);
        run.delete_object(&picture(105));
    };
    check(lost, &[("lost", 1), ("object lost", 1)], false);
}

#[test]
fn an_object_of_another_size_or_content_is_wrong() {
    let object = |run: &mut Run| run.objects.iter().position(|object| object.key.contains(&picture(105))).unwrap();
    let shorter = |run: &mut Run| {
        let place = object(run);
        run.objects[place].bytes = 1_999;
    };
    check(shorter, &[("object wrong", 1)], false);
    let other = |run: &mut Run| {
        let place = object(run);
        run.objects[place].sha256 = Some(picture(106));
    };
    check(other, &[("object wrong", 1)], false);
}

#[test]
fn a_marker_that_the_ledger_lacks_is_unexpected_and_another_run_is_foreign() {
    let unexpected = |run: &mut Run| {
        let mut arrival = run.arrivals[5].clone();
        arrival.marker.number = 1_000;
        run.arrivals.push(arrival.clone());
        arrival.marker.run = 1;
        run.arrivals.push(arrival);
    };
    let report = check(unexpected, &[("unexpected", 1)], true);
    assert_eq!(report.buses[&Bus::Mqtt].foreign, 1);
}

#[test]
fn a_gap_of_the_subscribers_own_is_said() {
    let run = Run::good();
    let lines = [Line::Listening(Bus::Mqtt), Line::Gap(Bus::Mqtt), Line::Foreign(Bus::Mqtt)];
    let report = judge(rules(), run.ledger, lines, None);
    assert_eq!(report.warnings.len(), 1);
    assert_eq!((report.buses[&Bus::Mqtt].foreign, report.buses[&Bus::Mqtt].lost.count), (1, 40));
    assert!(report.store.is_none());
}

#[test]
fn a_type_that_is_not_routed_to_a_bus_is_not_missed_there() {
    let flags = vec![("route.vip.kafka_topic".to_owned(), String::new())];
    let layers = Layers { flags, ..Layers::default() };
    let rules = Rules::new(Config::load(&layers).unwrap().routes);
    let report = judge(rules, Run::good().ledger, [Line::Listening(Bus::Kafka)], None);
    assert_eq!(report.buses[&Bus::Kafka].lost.count, 36);
}
