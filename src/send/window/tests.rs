//! The promises of the window, without a destination.

use std::time::Duration;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

const TYPE: PersonType = PersonType::Employee;

fn window(records: usize) -> Window<()> {
    Window::new(Limits { records, bytes: 1 << 20 }, Poison::Possible)
}

fn record(sequence: u64, device: &str) -> Traits<'_> {
    Traits { sequence: Sequence(sequence), device, person_type: TYPE, replayed: Replayed::No, held_bytes: 10 }
}

fn submit_all(window: &mut Window<()>) -> Vec<u64> {
    let mut order = Vec::new();
    while let Some(sequence) = window.next_ready() {
        window.submitted(sequence, 1);
        order.push(sequence.0);
    }
    order
}

#[test]
fn one_that_waits_for_pictures_holds_back_its_device_only() {
    let mut window = window(10);
    let now = Instant::now();
    window.admit(record(1, "gate"), Some(Some(now + MINUTE)), ());
    window.admit(record(2, "gate"), None, ());
    window.admit(record(3, "door"), None, ());
    assert_eq!(submit_all(&mut window), [3]);
    window.tick(now + MINUTE);
    assert_eq!(submit_all(&mut window), [1, 2]);
}

#[test]
fn the_window_is_kept() {
    let mut window = window(2);
    (1..=4).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
    assert_eq!(submit_all(&mut window), [1, 2]);
    window.answered(Sequence(1));
    assert_eq!(submit_all(&mut window), [3]);
}

#[test]
fn a_type_that_is_refused_again_and_again_pauses_and_is_probed_with_one_record() {
    let mut window = window(100);
    let now = Instant::now();
    for sequence in 1..=10 {
        window.admit(record(sequence, "gate"), None, ());
        submit_all(&mut window);
        assert_eq!(window.refused(Sequence(sequence), Reason::NotAuthorised, now), Consequence::SetAside);
        window.answered(Sequence(sequence));
    }
    for sequence in [11, 12] {
        window.admit(record(sequence, "gate"), None, ());
    }
    submit_all(&mut window);
    assert_eq!(window.refused(Sequence(11), Reason::NotAuthorised, now), Consequence::Pause(TYPE));
    assert_eq!(window.resumable(now), []);
    assert_eq!(window.resumable(now + MINUTE), [TYPE]);
    for sequence in [11, 12] {
        window.admit(record(sequence, "gate"), None, ());
    }
    assert_eq!(submit_all(&mut window), [11]);
    window.answered(Sequence(11));
    window.progress(Sequence(11), TYPE);
    assert_eq!(submit_all(&mut window), [12]);
}

#[test]
fn a_passing_refusal_is_tried_again_before_the_rest_of_its_device() {
    let mut window = window(1);
    let now = Instant::now();
    (1..=2).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
    submit_all(&mut window);
    assert_eq!(window.refused(Sequence(1), Reason::Passing, now), Consequence::Retry);
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    window.tick(now + MINUTE);
    assert_eq!(submit_all(&mut window), [1]);
}

#[test]
fn a_record_that_kills_the_connection_is_found_out_by_its_successor() {
    let mut window = window(10);
    let session = |window: &mut Window<()>| {
        window.open(Limits { records: 10, bytes: 1 << 20 });
        (1..=3).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
        submit_all(window)
    };
    for _ in 0..3 {
        assert_eq!(session(&mut window), [1, 2, 3]);
        window.lost();
    }
    for _ in 0..3 {
        assert_eq!(session(&mut window), [1]);
        window.lost();
    }
    assert_eq!(session(&mut window), [2]);
    window.answered(Sequence(2));
    window.progress(Sequence(2), TYPE);
    assert_eq!(submit_all(&mut window), [1], "once more, alone");
    window.lost();
    assert!(window.is_condemned(Sequence(1)));
    window.parked();
    assert!(!window.is_condemned(Sequence(1)));
}

#[test]
fn a_suspect_that_passes_in_the_end_is_no_poison() {
    let mut window = window(10);
    for _ in 0..6 {
        window.open(Limits { records: 10, bytes: 1 << 20 });
        (1..=2).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
        submit_all(&mut window);
        window.lost();
    }
    window.open(Limits { records: 10, bytes: 1 << 20 });
    (1..=2).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
    for expected in [2, 1] {
        assert_eq!(submit_all(&mut window), [expected]);
        window.answered(Sequence(expected));
        window.progress(Sequence(expected), TYPE);
    }
    assert!(!window.is_condemned(Sequence(1)));
}

#[test]
fn several_passing_refusals_keep_the_order_of_their_device() {
    let mut window = window(10);
    let now = Instant::now();
    (1..=3).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
    assert_eq!(submit_all(&mut window), [1, 2, 3]);
    for sequence in 1..=3 {
        assert_eq!(window.refused(Sequence(sequence), Reason::Passing, now), Consequence::Retry);
    }
    window.tick(now + MINUTE);
    assert_eq!(submit_all(&mut window), [1, 2, 3]);
}

#[test]
fn what_is_wrong_with_a_record_pauses_nobody() {
    let mut window = window(100);
    for sequence in 1..=50 {
        window.admit(record(sequence, "gate"), None, ());
        submit_all(&mut window);
        assert_eq!(window.refused(Sequence(sequence), Reason::TooLarge, Instant::now()), Consequence::SetAside);
        window.answered(Sequence(sequence));
    }
}

#[test]
fn live_records_go_before_replayed_ones() {
    let mut window = window(10);
    window.admit(Traits { replayed: Replayed::Yes, ..record(1, "gate") }, None, ());
    window.admit(record(900_000, "door"), None, ());
    assert!(window.has_room(), "a replay does not bound what is live");
    assert_eq!(submit_all(&mut window), [900_000, 1]);
}

#[test]
fn a_broken_connection_makes_nobody_a_suspect_for_good() {
    let mut window = window(10);
    for _ in 0..20 {
        window.open(Limits { records: 10, bytes: 1 << 20 });
        (1..=3).for_each(|sequence| window.admit(record(sequence, "gate"), None, ()));
        submit_all(&mut window);
        window.lost();
    }
    window.open(Limits { records: 10, bytes: 1 << 20 });
    window.admit(record(1, "gate"), None, ());
    submit_all(&mut window);
    window.answered(Sequence(1));
    window.progress(Sequence(1), TYPE);
    assert!(!window.is_condemned(Sequence(1)));
}
