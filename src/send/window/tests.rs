//! The promises of the window, without a destination.

use super::*;

const TYPE: PersonType = PersonType::Employee;

fn window(records: usize) -> Window<()> {
    Window::new(Limits { records, bytes: 1 << 20 })
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
    window.admit(Sequence(1), "gate", TYPE, Some(Some(now + MINUTE)), ());
    window.admit(Sequence(2), "gate", TYPE, None, ());
    window.admit(Sequence(3), "door", TYPE, None, ());
    assert_eq!(submit_all(&mut window), [3]);
    window.tick(now + MINUTE);
    assert_eq!(submit_all(&mut window), [1, 2]);
}

#[test]
fn the_window_is_kept() {
    let mut window = window(2);
    (1..=4).for_each(|sequence| window.admit(Sequence(sequence), "gate", TYPE, None, ()));
    assert_eq!(submit_all(&mut window), [1, 2]);
    window.answered(Sequence(1));
    assert_eq!(submit_all(&mut window), [3]);
}

#[test]
fn a_type_that_is_refused_again_and_again_pauses_and_is_probed_with_one_record() {
    let mut window = window(100);
    let now = Instant::now();
    for sequence in 1..=10 {
        window.admit(Sequence(sequence), "gate", TYPE, None, ());
        submit_all(&mut window);
        assert_eq!(window.refused(Sequence(sequence), false, now), Consequence::SetAside);
        window.answered(Sequence(sequence));
    }
    for sequence in [11, 12] {
        window.admit(Sequence(sequence), "gate", TYPE, None, ());
    }
    submit_all(&mut window);
    assert_eq!(window.refused(Sequence(11), false, now), Consequence::Pause(TYPE));
    assert_eq!(window.resumable(now), []);
    assert_eq!(window.resumable(now + MINUTE), [TYPE]);
    for sequence in [11, 12] {
        window.admit(Sequence(sequence), "gate", TYPE, None, ());
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
    (1..=2).for_each(|sequence| window.admit(Sequence(sequence), "gate", TYPE, None, ()));
    submit_all(&mut window);
    assert_eq!(window.refused(Sequence(1), true, now), Consequence::Retry);
    assert_eq!(submit_all(&mut window), [0_u64; 0]);
    window.tick(now + MINUTE);
    assert_eq!(submit_all(&mut window), [1]);
}

#[test]
fn a_record_that_kills_the_connection_is_found_out_by_its_successor() {
    let mut window = window(10);
    let session = |window: &mut Window<()>| {
        window.open(Limits { records: 10, bytes: 1 << 20 });
        (1..=3).for_each(|sequence| window.admit(Sequence(sequence), "gate", TYPE, None, ()));
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
    assert_eq!(window.progress(Sequence(2), TYPE), Some(Sequence(1)));
}

#[test]
fn a_broken_connection_makes_nobody_a_suspect_for_good() {
    let mut window = window(10);
    for _ in 0..20 {
        window.open(Limits { records: 10, bytes: 1 << 20 });
        (1..=3).for_each(|sequence| window.admit(Sequence(sequence), "gate", TYPE, None, ()));
        submit_all(&mut window);
        window.lost();
    }
    window.open(Limits { records: 10, bytes: 1 << 20 });
    window.admit(Sequence(1), "gate", TYPE, None, ());
    submit_all(&mut window);
    window.answered(Sequence(1));
    assert_eq!(window.progress(Sequence(1), TYPE), None);
}
