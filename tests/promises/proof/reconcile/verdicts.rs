//! Every verdict over messages, by a fault planted into a good run.

use boxbridge_config::{Config, Layers};
use boxbridge_event::{EventId, Feed, PersonType, PictureKind, Revision, Timestamp};
use boxbridge_proof::reconcile::{Recorded, Rules, Stream, Strictness, judge};
use boxbridge_proof::simulate::Marker;

use super::planted::{Run, check, entry, listening, picture, rules};

#[test]
fn a_run_in_which_all_went_well_has_no_findings() {
    let report = check(|_| {}, &[], true);
    let bus = &report.buses["mqtt"];
    assert_eq!((bus.expected, bus.received, bus.messages), (40, 40, 40));
    let store = report.store.as_ref().unwrap();
    assert_eq!((store.expected, store.stored, store.verified), (41, 41, 41));
    assert!(report.passes_strictly());
}

#[test]
fn a_message_removed_is_lost() {
    let report = check(|run| drop(run.arrivals.remove(7)), &[("lost", 1)], false);
    let example = &report.buses["mqtt"].lost.examples[0];
    assert!(
        example
            .starts_with("event 0000abcd-7 (employee, realtime, device 192.168.1.2, sequence 3)"),
        "{example}"
    );
}

#[test]
fn a_ledger_that_is_compared_with_nothing_does_not_pass() {
    let report = judge(rules(), [entry(0)], [], None).unwrap();
    assert!(
        !report.passes() && report.to_string().contains("nothing was compared"),
        "{report}"
    );
}

#[test]
fn a_slip_on_the_command_line_costs_neither_ledger_nor_recording() {
    let folder = tempfile::tempdir().unwrap();
    let reconcile = |arguments: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command
            .current_dir(&folder)
            .arg("reconcile")
            .args(arguments.split(' '));
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{arguments}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for file in ["run.jsonl", "old.jsonl"] {
        std::fs::write(folder.path().join(file), "kept\n").unwrap();
    }

    // The ledger, by another way of writing its name.
    let said = reconcile("--mqtt mqtt://127.0.0.1:9 --ledger run.jsonl --record ./run.jsonl");
    assert!(said.contains("would overwrite"), "{said}");

    // Nobody is there to be recorded.
    let said = reconcile("--mqtt mqtt://127.0.0.1:9 --record old.jsonl");
    assert!(
        said.contains("cannot listen to mqtt at 127.0.0.1:9"),
        "{said}"
    );

    // A ledger of which nothing can be read proves nothing.
    std::fs::write(folder.path().join("none.jsonl"), "").unwrap();
    reconcile("--arrivals none.jsonl --ledger none.jsonl");
    for file in ["run.jsonl", "old.jsonl"] {
        assert_eq!(
            std::fs::read_to_string(folder.path().join(file)).unwrap(),
            "kept\n",
            "{file}"
        );
    }
}

#[test]
fn a_bus_that_was_listened_to_and_gave_nothing_lost_everything() {
    let report = judge(rules(), Run::good().ledger, [listening("mqtt")], None).unwrap();
    assert_eq!(report.buses["mqtt"].lost.count, 40, "{report}");
    assert!(!report.is_undecided(Strictness::Usual), "{report}");
    assert!(
        report.warnings[0].contains("May this user read"),
        "{report}"
    );
}

#[test]
fn a_bus_that_gave_nothing_while_another_destination_has_the_events_is_no_verdict() {
    let report = check(|run| run.arrivals.clear(), &[("lost", 40)], false);
    assert!(report.is_undecided(Strictness::Usual), "{report}");
    let last = report.to_string().lines().last().unwrap().to_owned();
    assert_eq!(last, "no verdict: mqtt gave nothing at all");

    // What else is wrong is judged all the same.
    let wrong = |run: &mut Run| {
        run.arrivals.clear();
        run.objects[0].bytes = 7;
    };
    let report = Run::planted(wrong);
    assert!(!report.is_undecided(Strictness::Usual), "{report}");
}

#[test]
fn a_bus_that_is_out_of_reach_when_the_listening_ends_is_no_verdict() {
    let of_mqtt = |line: fn(String) -> Recorded| line("mqtt".to_owned());
    let judged = |last: Vec<Recorded>| {
        let mut run = Run::good();
        run.arrivals.truncate(30);
        let arrivals = run.arrivals.into_iter().map(Recorded::Arrival);
        let lines = std::iter::once(listening("mqtt")).chain(arrivals);
        judge(rules(), run.ledger, lines.chain(last), None).unwrap()
    };

    let away = judged(vec![of_mqtt(Recorded::Away)]);
    assert!(
        !away.passes() && away.is_undecided(Strictness::Usual),
        "{away}"
    );
    assert!(
        away.to_string()
            .ends_with("no verdict: mqtt was out of reach at the end")
    );

    let back = judged(vec![of_mqtt(Recorded::Away), of_mqtt(Recorded::Back)]);
    assert!(
        !back.passes() && !back.is_undecided(Strictness::Usual),
        "{back}"
    );
}

#[test]
fn a_message_twice_is_one_duplicate_however_often_it_came() {
    let twice = |run: &mut Run| {
        run.arrivals
            .extend([run.arrivals[3].clone(), run.arrivals[3].clone()])
    };
    let report = check(twice, &[("duplicated", 1)], true);
    assert!(!report.passes_strictly());
}

#[test]
fn a_suffix_that_is_sent_again_is_duplicated_and_not_reordered() {
    let again = |run: &mut Run| run.arrivals.extend_from_within(30..);
    check(again, &[("duplicated", 10)], true);
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
fn a_run_of_which_nothing_was_acknowledged_proves_nothing() {
    let mut run = Run::good();
    run.ledger
        .iter_mut()
        .for_each(|entry| entry.status = Some(503));
    let report = run.judge();
    assert!(
        !report.passes() && report.warnings[0].contains("nothing to lose"),
        "{report}"
    );
}

#[test]
fn two_runs_have_orders_of_their_own() {
    let second = |run: &mut Run| {
        let other = |marker: &mut Marker| marker.run = 0xef01;
        let mut ledger = run.ledger.clone();
        ledger.iter_mut().for_each(|entry| other(&mut entry.marker));
        let mut arrivals = run.arrivals.clone();
        arrivals
            .iter_mut()
            .for_each(|arrival| other(&mut arrival.marker));
        run.ledger.extend(ledger);
        run.arrivals.extend(arrivals);
    };
    check(second, &[], true);
}

#[test]
fn another_content_is_wrong_and_the_field_is_named() {
    type Fault = fn(&mut Run);
    let faults: [(&str, Fault); 13] = [
        ("id", |run| run.delivered(5).id = Some(EventId([99; 16]))),
        ("revision", |run| run.delivered(5).revision = None),
        ("feed", |run| run.delivered(5).feed = Some(Feed::Platform)),
        ("device.id", |run| {
            run.delivered(5).device = Some("192.168.1.1".to_owned())
        }),
        ("person_type", |run| {
            run.delivered(5).person_type = Some(PersonType::Vip)
        }),
        ("identity.id", |run| {
            run.delivered(5).identity = Some("person 6".to_owned())
        }),
        ("match.score", |run| run.delivered(5).score = Some(0.63)),
        ("occurred_at", |run| {
            run.delivered(5).occurred_at = Some(Timestamp(1_566_016_554_026))
        }),
        ("topic", |run| run.arrivals[5].stream = Stream::Elsewhere),
        ("pictures.face", |run| {
            let scene = run.said(5, PictureKind::Scene).clone();
            run.delivered(5).pictures.insert(PictureKind::Face, scene);
        }),
        ("pictures.scene.bytes", |run| {
            run.said(5, PictureKind::Scene).bytes = Some(1_999)
        }),
        ("pictures.scene.key", |run| {
            run.said(5, PictureKind::Scene).key = None
        }),
        ("pictures.scene.sha256", |run| {
            let other = run.said(7, PictureKind::Scene).clone();
            *run.said(5, PictureKind::Scene) = other;
        }),
    ];

    for (field, fault) in faults {
        let report = Run::planted(fault);
        let wrong = &report.buses["mqtt"].wrong;
        assert_eq!(wrong.count, 1, "{field}: {report}");
        assert!(
            wrong.examples[0].ends_with(&format!(": {field}")),
            "{field}: {}",
            wrong.examples[0]
        );
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
    other.bus = "kafka".to_owned();
    other.event.as_mut().unwrap().revision = Some(Revision(77));
    run.arrivals.push(other);
    let report = run.judge();
    assert_eq!(report.buses["kafka"].wrong.examples.len(), 1);
    assert_eq!(report.buses["kafka"].lost.count, 39);
}

#[test]
fn what_history_told_first_comes_live_as_another_revision() {
    let twice = |revision: u32| {
        move |run: &mut Run| {
            let mut entry = run.ledger[5].clone();
            entry.feed = Feed::History;
            run.ledger.push(entry);
            let mut record = run.arrivals[5].clone();
            record.stream = Stream::Late;
            let event = record.event.as_mut().unwrap();
            (event.act_before, event.feed, event.revision) =
                (None, Some(Feed::History), Some(Revision(revision)));
            run.arrivals.insert(5, record);
        }
    };

    check(twice(77), &[], true);
    check(twice(5), &[("wrong", 1)], false);
}

#[test]
fn nothing_that_one_may_not_act_on_may_be_on_a_live_topic() {
    check(
        |run| run.delivered(5).act_before = None,
        &[("stale", 1)],
        false,
    );
    check(
        |run| run.arrivals[5].retained = true,
        &[("stale", 1)],
        false,
    );

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
fn a_marker_that_the_ledger_lacks_is_unexpected_and_another_run_is_foreign() {
    let unexpected = |run: &mut Run| {
        let mut arrival = run.arrivals[5].clone();
        arrival.marker.number = 1_000;
        run.arrivals.push(arrival.clone());
        arrival.marker.run = 1;
        run.arrivals.push(arrival);
    };
    let report = check(unexpected, &[("unexpected", 1)], true);
    assert_eq!(report.buses["mqtt"].foreign, 1);
}

#[test]
fn a_gap_of_the_subscribers_own_is_said() {
    let run = Run::good();
    let lines = [
        listening("mqtt"),
        Recorded::Gap("mqtt".to_owned()),
        Recorded::Foreign("mqtt".to_owned()),
    ];
    let report = judge(rules(), run.ledger, lines, None).unwrap();

    assert_eq!(report.warnings.len(), 1);
    assert_eq!(
        (
            report.buses["mqtt"].foreign,
            report.buses["mqtt"].lost.count
        ),
        (1, 40)
    );
    assert!(report.store.is_none());
}

#[test]
fn a_type_that_is_not_routed_to_a_bus_is_not_missed_there() {
    let flags = vec![("route.vip.kafka_topic".to_owned(), String::new())];
    let layers = Layers {
        flags,
        ..Layers::default()
    };
    let rules = Rules::of(&Config::load(&layers).unwrap());
    let report = judge(rules, Run::good().ledger, [listening("kafka")], None).unwrap();
    assert_eq!(report.buses["kafka"].lost.count, 36);
}
