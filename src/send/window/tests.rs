//! The promises of the window, without a destination.

mod full;
mod hanging_up;
mod order;
mod world;

use std::time::Duration;

use super::*;
use crate::send::Reason;

const MINUTE: Duration = Duration::from_secs(60);

const TYPE: PersonType = PersonType::Employee;

fn window(records: usize) -> Window<()> {
    Window::new(
        Limits {
            records,
            bytes: 1 << 20,
        },
        Poison::Possible,
    )
}

fn record(sequence: u64, device: &str) -> Traits<'_> {
    Traits {
        sequence: Sequence(sequence),
        device,
        person_type: TYPE,
        replayed: Replayed::No,
        act_before: None,
        held_bytes: 10,
    }
}

fn at(moment: Instant) -> Now {
    Now {
        at: moment,
        clock: Timestamp(0),
    }
}

fn admit(window: &mut Window<()>, sequence: u64, device: &str) {
    window.admit(
        record(sequence, device),
        Awaits::Nothing,
        (),
        at(Instant::now()),
    );
}

fn refuse(window: &mut Window<()>, sequence: u64, reason: Reason, now: Instant) -> bool {
    match window.refused(Sequence(sequence), reason, now) {
        Consequence::SetAside => {
            window.answered(Sequence(sequence));
            true
        }
        Consequence::Wait(_) => false,
    }
}

fn submit_all(window: &mut Window<()>) -> Vec<u64> {
    let (mut order, now) = (Vec::new(), at(Instant::now()));
    while let Some(sequence) = window.next_ready(now) {
        window.submitted(sequence, 1, now);
        order.push(sequence.0);
    }
    order
}

#[test]
fn one_that_waits_for_pictures_holds_back_its_device_only() {
    let mut window = window(10);
    let now = Instant::now();
    window.admit(
        record(1, "gate"),
        Awaits::PicturesUntil(now + MINUTE),
        (),
        at(now),
    );
    admit(&mut window, 2, "gate");
    admit(&mut window, 3, "door");
    assert_eq!(submit_all(&mut window), [3]);
    window.tick(at(now + MINUTE));
    assert_eq!(submit_all(&mut window), [1, 2]);
}

#[test]
fn the_window_is_kept() {
    let mut window = window(2);
    (1..=4).for_each(|sequence| admit(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [1, 2]);
    window.taken(Sequence(1), Instant::now());
    assert_eq!(submit_all(&mut window), [3]);
}

/// Eleven refusals of the topic: ten records are set aside, and the rest waits.
fn refuse_topic(window: &mut Window<()>, now: Instant) {
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
fn a_template_that_is_refused_again_and_again_waits_and_is_probed_with_one_record() {
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

#[test]
fn a_passing_refusal_is_tried_again_for_ever_before_the_rest_of_its_device() {
    let mut window = window(1);
    let mut now = Instant::now();
    (1..=2).for_each(|sequence| admit(&mut window, sequence, "gate"));
    for attempt in 0..100 {
        assert_eq!(submit_all(&mut window), [1]);
        let is_first = attempt == 0;
        assert_eq!(
            window.refused(Sequence(1), Reason::Passing, now),
            Consequence::Wait(is_first.then_some(Extent::Device)),
            "said once"
        );
        assert_eq!(submit_all(&mut window), [0_u64; 0], "not at once");
        now += MINUTE;
        window.tick(at(now));
    }
    assert_eq!(submit_all(&mut window), [1]);
    window.taken(Sequence(1), now);
    assert!(matches!(window.news(), Some(News::TakenAgain(_))));
    assert_eq!(submit_all(&mut window), [2]);
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
        for sequence in submit_all(&mut window) {
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
        let taken = submit_all(&mut window);
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
        assert_eq!(submit_all(&mut window), [1]);
        if attempt == 7 {
            admit(&mut window, 2, "door");
            assert_eq!(submit_all(&mut window), [2]);
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
    window.tick(at(now + MINUTE));
    assert_eq!(
        submit_all(&mut window),
        [1],
        "the second would overtake it, were it refused once more"
    );
    assert!(!refuse(&mut window, 1, Reason::Passing, now + MINUTE));
    window.tick(at(now + MINUTE * 2));
    assert_eq!(submit_all(&mut window), [1]);
    window.taken(Sequence(1), now);
    assert_eq!(
        submit_all(&mut window),
        [2],
        "the third would overtake it, were it refused once more"
    );
    window.taken(Sequence(2), now);
    assert_eq!(submit_all(&mut window), [3]);
}

#[test]
fn what_is_wrong_with_a_record_pauses_nobody() {
    let mut window = window(100);
    for sequence in 1..=50 {
        admit(&mut window, sequence, "gate");
        submit_all(&mut window);
        assert!(refuse(
            &mut window,
            sequence,
            Reason::TooLarge,
            Instant::now()
        ));
    }
}

#[test]
fn live_records_go_before_replayed_ones() {
    let mut window = window(10);
    window.admit(
        Traits {
            replayed: Replayed::Yes,
            ..record(1, "gate")
        },
        Awaits::Nothing,
        (),
        at(Instant::now()),
    );
    admit(&mut window, 900_000, "door");
    assert!(window.has_room(), "a replay does not bound what is live");
    assert_eq!(submit_all(&mut window), [900_000, 1]);
}

#[test]
fn what_one_may_act_on_waits_for_a_thin_line_and_goes_late_where_it_would_be() {
    let mut window: Window<()> = Window::new(
        Limits {
            records: 1000,
            bytes: 16 << 20,
        },
        Poison::Possible,
    );
    let start = Instant::now();
    let now = |seconds: f64| Now {
        at: start + Duration::from_secs_f64(seconds),
        clock: Timestamp((seconds * 1000.0) as i64),
    };
    for sequence in 1..=300 {
        let traits = Traits {
            act_before: Some(Timestamp(5_000)),
            ..record(sequence, "gate")
        };
        window.admit(traits, Awaits::Nothing, (), now(0.0));
    }
    // 2,000 bytes each, 25,000 bytes a second: 12.5 records a second.
    let (mut line, mut arrived, mut seconds) = (VecDeque::new(), 0, 0.0);
    let mut late = 0;
    while arrived < 300 {
        while let Some(sequence) = window.next_ready(now(seconds)) {
            let is_late = now(seconds).clock.plus(window.expected_wait()) > Timestamp(5_000);
            window.submitted(sequence, 2_000, now(seconds));
            line.push_back((sequence, is_late));
        }
        seconds += 0.08;
        let (sequence, is_late) = line.pop_front().expect("something is under way");
        assert!(
            is_late || seconds < 6.0,
            "{sequence:?} is live {seconds} s after it came"
        );
        late += usize::from(is_late);
        window.taken(sequence, now(seconds).at);
        arrived += 1;
    }
    assert!((220..=260).contains(&late), "{late} of 300 late");
}
