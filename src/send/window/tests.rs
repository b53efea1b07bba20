//! The promises of the window, without a destination.

mod full;
mod hanging_up;
mod order;
mod refused_for_now;
mod refused_topics;
mod world;

use std::time::Duration;

use super::*;
use crate::send::Reason;

const MINUTE: Duration = Duration::from_secs(60);

const TYPE: PersonType = PersonType::Employee;

fn limits(records: usize) -> Limits {
    Limits {
        records,
        bytes: 1 << 20,
    }
}

fn window(records: usize) -> Window<()> {
    Window::new(limits(records), Poison::Possible)
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
    admit_of(window, sequence, device, TYPE);
}

fn admit_of(window: &mut Window<()>, sequence: u64, device: &str, person_type: PersonType) {
    let traits = Traits {
        person_type,
        ..record(sequence, device)
    };
    window.admit(traits, Awaits::Nothing, (), at(Instant::now()));
}

/// Where the source leaves no type unread.
fn make_room(window: &mut Window<()>, now: Instant) -> Vec<Reading> {
    window.make_room(now, |_| false)
}

fn refuse(window: &mut Window<()>, sequence: u64, reason: Reason, now: Instant) -> bool {
    match window.refused(Sequence(sequence), reason, now) {
        Consequence::SetAside => {
            window.answered(Sequence(sequence), now);
            true
        }
        Consequence::Wait(_) => false,
    }
}

fn submit_all(window: &mut Window<()>) -> Vec<u64> {
    submit_all_at(window, Instant::now())
}

fn submit_all_at(window: &mut Window<()>, now: Instant) -> Vec<u64> {
    let (mut order, now) = (Vec::new(), at(now));
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

fn admit_replayed(window: &mut Window<()>, sequence: u64, device: &str) {
    let traits = Traits {
        replayed: Replayed::Yes,
        ..record(sequence, device)
    };
    window.admit(traits, Awaits::Nothing, (), at(Instant::now()));
}

#[test]
fn a_live_record_waits_behind_no_replayed_one_of_its_device() {
    let mut window = window(10);
    (1..=4).for_each(|sequence| admit_replayed(&mut window, sequence, "gate"));
    admit(&mut window, 100, "gate");
    assert_eq!(submit_all(&mut window), [100, 1, 2, 3, 4]);
    let now = Instant::now();
    window.taken(Sequence(100), now);
    window.refused(Sequence(1), Reason::Passing, now);
    admit(&mut window, 101, "gate");
    assert_eq!(
        submit_all(&mut window),
        [101],
        "nor behind one that was refused"
    );
}

#[test]
fn replayed_records_leave_half_of_the_window_and_of_a_thin_line_free() {
    let mut window = window(10);
    (1..=10).for_each(|sequence| admit_replayed(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [1, 2, 3, 4, 5]);
    (100..=105).for_each(|sequence| admit(&mut window, sequence, "gate"));
    assert_eq!(submit_all(&mut window), [100, 101, 102, 103, 104]);
    for sequence in 1..=5 {
        window.taken(Sequence(sequence), Instant::now());
    }
    assert_eq!(submit_all(&mut window), [105], "live ones go on");

    let mut thin = Window::new(
        Limits {
            records: 1000,
            bytes: 16 << 20,
        },
        Poison::Possible,
    );
    (1..=100).for_each(|sequence| admit_replayed(&mut thin, sequence, "gate"));
    let now = at(Instant::now());
    let mut submitted = 0;
    while let Some(sequence) = thin.next_ready(now) {
        thin.submitted(sequence, 2_000, now);
        submitted += 1;
    }
    // 64 KiB may be under way where nothing is known of a line.
    assert_eq!(submitted, 17);
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
            let is_late =
                now(seconds).clock.plus(window.expected_wait_of(sequence)) > Timestamp(5_000);
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
