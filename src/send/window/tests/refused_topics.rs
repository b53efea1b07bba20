//! A destination that refuses a person type's topic, or what is sent to it.

use super::*;

/// Eleven refusals of the topic: ten records are set aside, and the rest waits.
pub(super) fn refuse_topic(window: &mut Window<()>, now: Instant) {
    for sequence in 1..=11 {
        admit(window, sequence, "gate");
        submit_all(window);
        assert_eq!(
            refuse(window, sequence, Reason::NotAuthorised, now),
            sequence < 11
        );
    }
}

#[test]
fn a_type_whose_topic_is_unfit_waits_at_once_and_its_device_goes_on() {
    let mut window = window(100);
    let now = Instant::now();
    admit(&mut window, 1, "gate");
    admit(&mut window, 2, "gate");
    window.admit(
        Traits {
            person_type: PersonType::Blacklist,
            ..record(3, "gate")
        },
        Awaits::Nothing,
        (),
        at(now),
    );
    assert_eq!(submit_all(&mut window), [1, 2, 3]);
    assert!(
        !refuse(&mut window, 1, Reason::TopicUnfit, now)
            && !refuse(&mut window, 2, Reason::TopicUnfit, now)
    );
    window.admit(
        Traits {
            person_type: PersonType::Blacklist,
            ..record(4, "gate")
        },
        Awaits::Nothing,
        (),
        at(now),
    );
    admit(&mut window, 5, "gate");
    assert_eq!(submit_all(&mut window), [4]);

    // For ever, and never set aside: one record shows whether it is fit now.
    let mut moment = now;
    for _ in 0..100 {
        moment += MINUTE;
        window.tick(at(moment));
        assert_eq!(submit_all(&mut window), [1]);
        assert!(!refuse(&mut window, 1, Reason::TopicUnfit, moment));
    }
    window.tick(at(moment + MINUTE));
    assert_eq!(submit_all(&mut window), [1]);
    window.taken(Sequence(1), moment + MINUTE);
    assert_eq!(
        submit_all(&mut window),
        [2],
        "the fifth would overtake it, were it refused once more"
    );
    window.taken(Sequence(2), moment + MINUTE);
    assert_eq!(submit_all(&mut window), [5]);
}

#[test]
fn a_class_that_is_refused_again_and_again_waits_and_is_probed_with_one_record() {
    let mut window = window(100);
    let now = Instant::now();
    refuse_topic(&mut window, now);
    [12, 13]
        .into_iter()
        .for_each(|sequence| admit(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    window.tick(at(now + MINUTE));
    assert_eq!(submit_all(&mut window), [11]);
    assert!(!refuse(
        &mut window,
        11,
        Reason::NotAuthorised,
        now + MINUTE
    ));
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    window.tick(at(now + MINUTE * 2));
    assert_eq!(submit_all(&mut window), [11], "and none overtakes it");
    window.taken(Sequence(11), now);
    assert_eq!(window.paused().count(), 0);
    assert_eq!(submit_all(&mut window), [12, 13]);
}

#[test]
fn a_type_that_waits_holds_back_no_other_of_its_device() {
    let mut window = window(100);
    refuse_topic(&mut window, Instant::now());
    admit(&mut window, 12, "gate");
    window.admit(
        Traits {
            person_type: PersonType::Vip,
            ..record(13, "gate")
        },
        Awaits::Nothing,
        (),
        at(Instant::now()),
    );
    assert_eq!(submit_all(&mut window), [13]);
}

#[test]
fn a_late_topic_that_is_refused_does_not_silence_the_live_one() {
    let mut window = window(100);
    refuse_topic(&mut window, Instant::now());
    window.admit(
        Traits {
            act_before: Some(Timestamp(60_000)),
            ..record(12, "gate")
        },
        Awaits::Nothing,
        (),
        at(Instant::now()),
    );
    assert_eq!(submit_all(&mut window), [12], "the alert");
}

#[test]
fn what_was_live_goes_to_the_late_topic_when_the_live_one_is_refused() {
    let mut window = window(100);
    let now = Instant::now();
    for sequence in 1..=11 {
        window.admit(
            Traits {
                act_before: Some(Timestamp(60_000)),
                ..record(sequence, "gate")
            },
            Awaits::Nothing,
            (),
            at(now),
        );
        submit_all(&mut window);
        assert_eq!(
            refuse(&mut window, sequence, Reason::NotAuthorised, now),
            sequence < 11
        );
    }
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    let late = Now {
        at: now,
        clock: Timestamp(60_001),
    };
    window.tick(late);
    assert_eq!(window.next_ready(late), Some(Sequence(11)));
}

/// Admits and sends one record; whether the refusal sets it aside.
fn misfits(window: &mut Window<()>, sequence: u64, now: Instant) -> bool {
    admit(window, sequence, "gate");
    assert_eq!(submit_all(window), [sequence]);
    refuse(window, sequence, Reason::TooLarge, now)
}

#[test]
fn what_is_wrong_with_some_records_of_a_topic_pauses_nobody() {
    let mut window = window(100);
    let now = Instant::now();
    for sequence in 1..=500 {
        if sequence % 11 == 0 {
            admit(&mut window, sequence, "gate");
            assert_eq!(submit_all(&mut window), [sequence]);
            window.taken(Sequence(sequence), now);
        } else {
            assert!(misfits(&mut window, sequence, now), "{sequence}");
        }
    }
    assert_eq!(window.paused().count(), 0);
}

#[test]
fn records_that_seldom_do_not_fit_pause_nobody() {
    let mut window = window(100);
    let mut now = Instant::now();
    for sequence in 1..=100 {
        assert!(misfits(&mut window, sequence, now), "{sequence}");
        now += MINUTE / 9;
        window.tick(at(now));
    }
}

#[test]
fn a_topic_of_which_nothing_fits_waits_and_each_probe_is_another_record() {
    let mut window = window(100);
    let mut now = Instant::now();
    for sequence in 1..=10 {
        assert!(misfits(&mut window, sequence, now));
    }
    assert!(!misfits(&mut window, 11, now), "the eleventh waits");
    assert_eq!(window.paused().count(), 1);
    (12..=20).for_each(|sequence| admit(&mut window, sequence, "gate"));
    admit_of(&mut window, 21, "gate", PersonType::Vip);
    assert_eq!(submit_all(&mut window), [21], "another type of its device");
    window.taken(Sequence(21), now);

    for sequence in 11..=14 {
        now += MINUTE;
        window.tick(at(now));
        assert_eq!(submit_all(&mut window), [sequence]);
        assert!(refuse(&mut window, sequence, Reason::TooLarge, now));
        assert_eq!(window.paused().count(), 1);
    }
    now += MINUTE;
    window.tick(at(now));
    assert_eq!(submit_all(&mut window), [15]);
    window.taken(Sequence(15), now);
    assert_eq!(window.paused().count(), 0);
    assert_eq!(submit_all(&mut window), [16, 17, 18, 19, 20]);
}

#[test]
fn what_is_on_its_way_when_nothing_is_found_to_fit_waits_and_is_not_set_aside() {
    let mut window = window(100);
    let now = Instant::now();
    (1..=50).for_each(|sequence| admit(&mut window, sequence, "gate"));
    let sent = submit_all(&mut window);
    let aside = sent
        .into_iter()
        .filter(|sequence| refuse(&mut window, *sequence, Reason::PayloadRefused, now));
    assert_eq!(aside.count(), 10);
}

#[test]
fn a_type_whose_cause_is_said_to_be_gone_is_probed_at_once_and_soon_again() {
    let mut window = window(100);
    let mut now = Instant::now();
    refuse_topic(&mut window, now);
    // Its pauses have grown to the longest.
    for _ in 0..10 {
        now += MINUTE;
        window.tick(at(now));
        submit_all(&mut window);
        refuse(&mut window, 11, Reason::NotAuthorised, now);
    }
    window.resume(PersonType::Vip);
    assert_eq!(submit_all(&mut window), [0_u64; 0], "another type");

    window.resume(TYPE);
    assert_eq!(submit_all(&mut window), [11], "without a pause");
    refuse(&mut window, 11, Reason::NotAuthorised, now);
    assert_eq!(submit_all(&mut window), [0_u64; 0], "it was in vain");
    now += Duration::from_secs(3);
    window.tick(at(now));
    assert_eq!(submit_all(&mut window), [11], "its pauses are short again");
}

#[test]
fn a_type_that_was_refused_before_the_start_is_probed_at_once_and_sets_nothing_aside() {
    let class = TopicClass::new(TYPE, Timeliness::Late);
    let mut window = window(100);
    let now = Instant::now();
    window.begin_refused(class, now);
    (1..=3).for_each(|sequence| admit(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [1]);
    assert!(!refuse(&mut window, 1, Reason::NotAuthorised, now));
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    assert!(window.refused_classes().eq([class]));

    window.tick(at(now + MINUTE));
    assert_eq!(submit_all(&mut window), [1]);
    window.taken(Sequence(1), now);
    assert_eq!(window.refused_classes().count(), 0);
    assert_eq!(submit_all(&mut window), [2, 3]);
}

#[test]
fn of_a_type_whose_content_was_refused_before_the_start_one_is_set_aside_for_each_probe() {
    let mut window = window(100);
    let mut now = Instant::now();
    window.begin_refused(TopicClass::new(TYPE, Timeliness::Late), now);
    (1..=5).for_each(|sequence| admit(&mut window, sequence, "gate"));
    for sequence in 1..=3 {
        assert_eq!(submit_all_at(&mut window, now), [sequence]);
        assert!(refuse(&mut window, sequence, Reason::TooLarge, now));
        assert_eq!(submit_all_at(&mut window, now), [0_u64; 0]);
        now += MINUTE;
        window.tick(at(now));
    }
}

#[test]
fn a_type_of_which_nothing_is_sent_any_more_is_none_that_is_refused() {
    let mut window = window(100);
    let now = Instant::now();
    window.begin_refused(TopicClass::new(TYPE, Timeliness::Late), now);
    admit(&mut window, 1, "gate");
    assert_eq!(window.next_ready(at(now)), Some(Sequence(1)));
    window.skipped(Sequence(1), at(now));
    assert_eq!(window.refused_classes().count(), 0);
}
