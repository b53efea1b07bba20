//! A window that is full of what does not flow.

use super::*;

/// Admits from this sequence on for as long as there is room; the next one.
fn fill(
    window: &mut Window<()>,
    from: u64,
    device: &str,
    person_type: PersonType,
    now: Instant,
) -> u64 {
    let mut sequence = from;
    while window.has_room() {
        window.admit(
            Traits {
                person_type,
                ..record(sequence, device)
            },
            Awaits::Nothing,
            (),
            at(now),
        );
        submit_all(window);
        sequence += 1;
        assert!(sequence < from + 10_000, "what is left takes room no more");
        if window.left.has_of_device(device, Sequence(sequence)) {
            break;
        }
    }
    sequence
}

#[test]
fn behind_a_refused_record_of_one_type_thousands_of_another_leave_room_and_come_again() {
    let mut window = window(20);
    let now = Instant::now();
    admit(&mut window, 1, "gate");
    submit_all(&mut window);
    assert!(!refuse(&mut window, 1, Reason::Passing, now));
    let next = fill(&mut window, 2, "gate", PersonType::Stranger, now);
    assert_eq!(make_room(&mut window, now), [], "nothing is read again yet");
    assert!(window.has_room());
    assert_eq!(
        window.attempts(Sequence(1)).0,
        1,
        "the refused one stands where it stood"
    );

    admit(&mut window, next, "door");
    assert_eq!(submit_all(&mut window), [next]);
    window.taken(Sequence(next), now);

    window.tick(at(now + MINUTE));
    let mut order = Vec::new();
    let mut again = Vec::new();
    while again.is_empty() {
        let taken = submit_all(&mut window);
        taken
            .iter()
            .for_each(|sequence| _ = window.taken(Sequence(*sequence), now));
        order.extend(taken);
        again = make_room(&mut window, now);
    }
    assert!(
        order.iter().copied().eq(1..=order.len() as u64),
        "{order:?}"
    );
    assert_eq!(again, [Reading::Again(Sequence(order.len() as u64 + 1))]);
}

#[test]
fn one_device_that_is_refused_for_now_pauses_no_type_and_speaks_for_none_that_is_paused() {
    let mut window = window(40);
    let mut now = Instant::now();
    (1..=20).for_each(|sequence| admit(&mut window, sequence, "gate"));
    for sequence in submit_all(&mut window) {
        assert!(!refuse(&mut window, sequence, Reason::Passing, now));
    }
    admit(&mut window, 21, "door");
    assert_eq!(submit_all(&mut window), [21], "of the same type");
    window.taken(Sequence(21), now);

    // Many devices: now the type is paused, and all of them are asked in turn.
    let devices: Vec<_> = (30..45).map(|number| number.to_string()).collect();
    devices
        .iter()
        .zip(30..)
        .for_each(|(device, sequence)| admit(&mut window, sequence, device));
    for sequence in submit_all(&mut window) {
        assert!(!refuse(&mut window, sequence, Reason::Passing, now));
    }
    assert_eq!(window.paused().count(), 1);
    let mut probes = BTreeSet::new();
    for _ in 0..16 {
        now += MINUTE;
        window.tick(at(now));
        let probe = submit_all(&mut window);
        probe
            .iter()
            .for_each(|sequence| _ = refuse(&mut window, *sequence, Reason::Passing, now));
        probes.extend(probe);
    }
    assert_eq!(probes.len(), 16, "{probes:?}");
}

#[test]
fn a_full_window_that_waits_for_one_devices_pictures_lets_another_device_pass() {
    let mut window = window(20);
    let now = Instant::now();
    window.admit(record(1, "gate"), Awaits::Pictures, (), at(now));
    let next = fill(&mut window, 2, "gate", PersonType::Stranger, now);
    assert_eq!(make_room(&mut window, now), []);
    assert!(
        !window.has_room(),
        "a slow store is no reason to read the log twice"
    );
    let Some(moment) = window.next_moment(now) else {
        panic!("it never looks again")
    };
    assert_eq!(make_room(&mut window, moment), []);
    admit(&mut window, next, "door");
    assert_eq!(submit_all(&mut window), [next]);
}

#[test]
fn a_late_topic_that_is_paused_leaves_room_for_the_live_one_and_follows_once_it_flows() {
    let mut window = window(20);
    let now = Instant::now();
    refused_topics::refuse_topic(&mut window, now);
    for sequence in 12..1_000 {
        make_room(&mut window, now);
        assert!(window.has_room(), "{sequence}");
        admit(&mut window, sequence, "gate");
        submit_all(&mut window);
    }
    make_room(&mut window, now);
    window.admit(
        Traits {
            act_before: Some(Timestamp(60_000)),
            ..record(1_000, "gate")
        },
        Awaits::Nothing,
        (),
        at(now),
    );
    assert_eq!(submit_all(&mut window), [1_000], "the alert");

    window.tick(at(now + MINUTE));
    assert_eq!(submit_all(&mut window), [11], "the probe");
    window.taken(Sequence(11), now);
    let again = make_room(&mut window, now);
    assert!(
        matches!(again.as_slice(), [Reading::Again(from)] if (12..100).contains(&from.0)),
        "{again:?}"
    );
}

#[test]
fn past_a_held_record_the_others_go_on_for_hours_and_then_its_type_alone_is_not_read() {
    let mut window = window(20);
    let now = Instant::now();
    admit(&mut window, 1, "gate");
    submit_all(&mut window);
    assert!(!refuse(&mut window, 1, Reason::Passing, now));
    for sequence in [1_000, 100_000, 260_000, 270_000] {
        assert_eq!(make_room(&mut window, now), []);
        assert!(window.has_room());
        admit(&mut window, sequence, "door");
        submit_all(&mut window);
        window.taken(Sequence(sequence), now);
    }
    assert_eq!(make_room(&mut window, now), [Reading::Pause(TYPE)]);
    assert!(window.has_room(), "for the other types");

    window.tick(at(now + MINUTE));
    for sequence in submit_all(&mut window) {
        window.taken(Sequence(sequence), now);
    }
    assert_eq!(make_room(&mut window, now), []);
    let is_paused = |person_type| person_type == TYPE;
    assert_eq!(
        window.make_room(now, is_paused),
        [Reading::Resume(TYPE)],
        "and is read again"
    );
}

#[test]
fn a_new_session_reads_what_was_not_read_in_the_last() {
    let mut window = window(20);
    let now = Instant::now();
    window.lost(true, now);
    window.open(limits(20), now);
    let is_paused = |person_type| person_type == TYPE;
    assert_eq!(window.make_room(now, is_paused), [Reading::Resume(TYPE)]);
}

#[test]
fn replays_that_stand_still_leave_half_of_the_window_to_what_is_live() {
    let mut window = window(20);
    let now = Instant::now();
    let mut sequence = 0;
    while window.has_room_for_replays() {
        sequence += 1;
        window.admit(
            Traits {
                replayed: Replayed::Yes,
                ..record(sequence, "gate")
            },
            Awaits::Pictures,
            (),
            at(now),
        );
    }
    assert!((30..50).contains(&sequence), "{sequence}");
    assert!(window.has_room());
}

#[test]
fn what_became_too_late_goes_late_past_a_record_that_is_held() {
    let mut window = window(20);
    let mut now = Instant::now();
    let live = |sequence| Traits {
        act_before: Some(Timestamp(60_000)),
        ..record(sequence, "gate")
    };
    // It kills the connection twice, alone.
    for _ in 0..2 {
        window.open(
            Limits {
                records: 20,
                bytes: 1 << 20,
            },
            now,
        );
        window.admit(live(1), Awaits::Nothing, (), at(now));
        assert_eq!(submit_all(&mut window), [1]);
        window.lost(false, now);
        now += Duration::from_millis(100);
    }
    window.open(
        Limits {
            records: 20,
            bytes: 1 << 20,
        },
        now,
    );
    (1..=3).for_each(|sequence| window.admit(live(sequence), Awaits::Nothing, (), at(now)));
    assert!(window.is_held(Sequence(1)));
    assert_eq!(submit_all(&mut window), [2], "the successor, tried alone");
    window.refused(Sequence(2), Reason::Passing, now);
    let late = Now {
        at: now,
        clock: Timestamp(60_001),
    };
    window.tick(late);
    assert!(
        window
            .parked
            .of(TopicClass::new(TYPE, Timeliness::Live))
            .iter()
            .eq([&Sequence(1)])
    );
}

#[test]
fn a_topic_that_waits_alone_leaves_room_for_the_others_of_its_device_and_comes_again_in_order() {
    let mut window = window(20);
    let mut now = Instant::now();
    admit_of(&mut window, 1, "gate", PersonType::Stranger);
    for pause in [1, 2, 0] {
        assert_eq!(submit_all_at(&mut window, now), [1]);
        assert!(!refuse(&mut window, 1, Reason::Passing, now));
        now += Duration::from_secs(pause);
        window.tick(at(now));
    }
    let mut read = 1;
    while read < 2_000 {
        assert_eq!(make_room(&mut window, now), []);
        assert!(window.has_room(), "{read}");
        read += 1;
        let is_vip = read % 10 == 0;
        let person_type = if is_vip {
            PersonType::Vip
        } else {
            PersonType::Stranger
        };
        admit_of(&mut window, read, "gate", person_type);
        let sent = submit_all_at(&mut window, now);
        assert_eq!(sent.len(), usize::from(is_vip), "{read}");
        sent.into_iter()
            .for_each(|sequence| _ = window.taken(Sequence(sequence), now));
    }

    now += MINUTE;
    assert_eq!(submit_all_at(&mut window, now), [1], "the next try");
    window.taken(Sequence(1), now);
    let again = make_room(&mut window, now);
    let mut expected = 2;
    loop {
        let sent = submit_all_at(&mut window, now);
        if sent.is_empty() {
            break;
        }
        for sequence in sent {
            assert_eq!(sequence, expected);
            expected += if sequence % 10 == 9 { 2 } else { 1 };
            window.taken(Sequence(sequence), now);
        }
    }
    assert_eq!(again, [Reading::Again(Sequence(expected))]);
}
