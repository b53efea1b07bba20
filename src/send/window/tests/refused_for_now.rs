//! A destination that refuses what it will take later.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const VIP: PersonType = PersonType::Vip;
const BLACKLIST: PersonType = PersonType::Blacklist;

fn class(person_type: PersonType) -> TopicClass {
    TopicClass::new(person_type, Timeliness::Late)
}

#[test]
fn a_passing_refusal_is_tried_again_for_ever_before_the_rest_of_its_topic() {
    let mut window = window(1);
    let mut now = Instant::now();
    (1..=2).for_each(|sequence| admit(&mut window, sequence, "gate"));
    for _ in 0..100 {
        assert_eq!(submit_all_at(&mut window, now), [1]);
        assert_eq!(
            window.refused(Sequence(1), Reason::Passing, now),
            Consequence::Wait(Some(Extent::Topic(class(TYPE)))),
        );
        assert_eq!(submit_all_at(&mut window, now), [0_u64; 0], "not at once");
        now += MINUTE;
        window.tick(at(now));
    }
    assert_eq!(submit_all_at(&mut window, now), [1]);
    window.taken(Sequence(1), now);
    assert_eq!(window.held_back().count(), 0);
    assert_eq!(submit_all_at(&mut window, now), [2]);
}

/// A blacklist event that is refused, a VIP, and one more of each, all of one device.
fn two_topics(window: &mut Window<()>) {
    for (sequence, person_type) in [(1, BLACKLIST), (2, VIP), (3, BLACKLIST), (4, VIP)] {
        admit_of(window, sequence, "gate", person_type);
    }
}

/// Refuses the first at each try, up to the third.
fn refuse_three_times(window: &mut Window<()>, start: Instant) -> Instant {
    let mut now = start;
    for pause in [1, 2, 0] {
        assert_eq!(submit_all_at(window, now), [1], "its device waits");
        assert!(!refuse(window, 1, Reason::Passing, now));
        now += SECOND * pause;
        window.tick(at(now));
    }
    now
}

#[test]
fn after_three_refusals_for_now_the_topic_alone_waits_and_nothing_of_it_overtakes() {
    let mut window = window(1);
    two_topics(&mut window);
    let mut now = refuse_three_times(&mut window, Instant::now());
    for sequence in [2, 4] {
        assert_eq!(submit_all_at(&mut window, now), [sequence], "the VIPs");
        window.taken(Sequence(sequence), now);
    }
    let held = HeldBack {
        class: class(BLACKLIST),
        devices: Some(1),
        records: 2,
    };
    assert_eq!(submit_all_at(&mut window, now), [0_u64; 0]);
    assert!(window.held_back().eq([held]));

    // For ever, with one record at a time.
    for _ in 0..100 {
        now = window.next_moment(now).expect("it is tried again");
        assert_eq!(submit_all_at(&mut window, now), [1]);
        assert!(!refuse(&mut window, 1, Reason::Passing, now));
    }
    now += MINUTE;
    assert_eq!(submit_all_at(&mut window, now), [1]);
    window.taken(Sequence(1), now);
    assert_eq!(submit_all_at(&mut window, now), [3]);
    assert_eq!(window.held_back().count(), 0);
}

#[test]
fn while_a_topic_that_waits_alone_is_tried_the_others_of_its_device_flow() {
    let mut window = window(10);
    admit_of(&mut window, 1, "gate", BLACKLIST);
    let mut now = refuse_three_times(&mut window, Instant::now());
    now += MINUTE;
    assert_eq!(submit_all_at(&mut window, now), [1]);
    admit_of(&mut window, 2, "gate", VIP);
    admit_of(&mut window, 3, "gate", BLACKLIST);
    admit_of(&mut window, 4, "door", BLACKLIST);
    assert_eq!(
        submit_all_at(&mut window, now),
        [2, 4],
        "the third would overtake the first, were it refused once more"
    );
}

#[test]
fn a_topic_that_is_refused_slowly_waits_alone_after_five_seconds() {
    let mut window = window(1);
    two_topics(&mut window);
    let mut now = Instant::now();
    for _ in 0..2 {
        now += SECOND;
        window.tick(at(now));
        assert_eq!(submit_all_at(&mut window, now), [1]);
        now += SECOND * 4;
        assert!(!refuse(&mut window, 1, Reason::Passing, now));
    }
    assert_eq!(submit_all_at(&mut window, now), [2], "the VIP");
}

#[test]
fn that_a_topic_is_refused_for_now_is_known_in_the_next_session() {
    let mut window = window(1);
    two_topics(&mut window);
    let now = refuse_three_times(&mut window, Instant::now());
    window.lost(true, now);
    window.open(limits(1), now);
    two_topics(&mut window);
    assert_eq!(submit_all_at(&mut window, now), [2]);
}

#[test]
fn many_passing_refusals_wait_together_and_none_is_set_aside() {
    let mut window = window(100);
    let mut now = Instant::now();
    (1..=90).for_each(|sequence| {
        admit(
            &mut window,
            sequence,
            ["gate", "door", "yard"][sequence as usize % 3],
        )
    });
    let mut tries = 0;
    for _ in 0..60 {
        for sequence in submit_all_at(&mut window, now) {
            assert!(!refuse(&mut window, sequence, Reason::Passing, now));
            tries += 1;
        }
        now += Duration::from_secs(1);
        window.tick(at(now));
    }
    assert!(tries < 130, "{tries} tries in a minute");
    now += MINUTE;
    window.tick(at(now));
    let mut order = Vec::new();
    loop {
        let taken = submit_all_at(&mut window, now);
        if taken.is_empty() {
            break;
        }
        taken
            .iter()
            .for_each(|sequence| _ = window.taken(Sequence(*sequence), now));
        order.extend(taken);
    }
    assert_eq!(order.len(), 90);
    for device in 0..3 {
        assert!(
            order
                .iter()
                .filter(|sequence| **sequence % 3 == device)
                .is_sorted(),
            "{order:?}"
        );
    }
}

#[test]
fn an_unexplained_refusal_is_the_records_own_once_others_are_taken_all_the_while() {
    let mut window = window(10);
    let mut now = Instant::now();
    admit(&mut window, 1, "gate");
    for attempt in 1..20 {
        assert_eq!(submit_all_at(&mut window, now), [1]);
        if attempt == 7 {
            admit(&mut window, 2, "door");
            assert_eq!(submit_all_at(&mut window, now), [2]);
            window.taken(Sequence(2), now);
        }
        let is_set_aside = refuse(&mut window, 1, Reason::Unexplained, now);
        assert_eq!(is_set_aside, attempt >= 7, "attempt {attempt}");
        if is_set_aside {
            return;
        }
        now += MINUTE;
        window.tick(at(now));
    }
}

#[test]
fn several_passing_refusals_keep_the_order_of_their_device() {
    let mut window = window(10);
    let now = Instant::now();
    (1..=3).for_each(|sequence| admit(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [1, 2, 3]);
    for sequence in 1..=3 {
        assert!(!refuse(&mut window, sequence, Reason::Passing, now));
    }
    let now = now + MINUTE;
    window.tick(at(now));
    assert_eq!(
        submit_all_at(&mut window, now),
        [1],
        "the second would overtake it, were it refused once more"
    );
    assert!(!refuse(&mut window, 1, Reason::Passing, now));
    let now = now + MINUTE;
    window.tick(at(now));
    assert_eq!(submit_all_at(&mut window, now), [1]);
    window.taken(Sequence(1), now);
    assert_eq!(
        submit_all_at(&mut window, now),
        [2],
        "the third would overtake it, were it refused once more"
    );
    window.taken(Sequence(2), now);
    assert_eq!(submit_all_at(&mut window, now), [3]);
}
