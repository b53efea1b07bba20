//! What counts as a repeat.

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn key() -> Key {
    Key::of(EventId([1; 16]), Revision(1), None)
}

fn seen(partition: i32, offset: i64, number: u64) -> Seen {
    Seen {
        place: ("topic".into(), partition),
        offset,
        number: Sequence(number),
    }
}

#[test]
fn what_is_read_again_from_its_own_place_is_a_repeat_once_it_has_an_outcome() {
    let (lately, now) = (Lately::within(WINDOW), Instant::now());
    let read = |number| lately.is_one(key(), seen(0, 5, number), now, |_| false);
    assert!(!read(1));
    assert!(
        !read(2),
        "the partition went and came, and nothing went out"
    );

    lately.ended(Sequence(1), Outcome::Delivered);
    assert!(!read(3), "the number of then is not that of now");
    lately.ended(Sequence(3), Outcome::Delivered);
    assert!(read(4));
}

#[test]
fn what_is_read_from_another_place_is_a_repeat() {
    let (lately, now) = (Lately::within(WINDOW), Instant::now());
    let is_repeat = |seen, now| lately.is_one(key(), seen, now, |number| number == Sequence(1));
    assert!(!is_repeat(seen(0, 5, 1), now));
    assert!(is_repeat(seen(0, 6, 2), now));
    assert!(is_repeat(seen(1, 5, 2), now));
    let later = now + WINDOW + Duration::from_secs(1);
    assert!(!is_repeat(seen(0, 7, 2), later), "it is forgotten");
}

/// An event that stands in two partitions, as where its topic was renamed or got more of them.
#[test]
fn of_two_gateways_that_change_partitions_one_delivers_what_neither_has_answered() {
    let now = Instant::now();
    let gateways = [0, 1].map(|_| Lately::within(WINDOW));
    for (partition, gateway) in (0..).zip(&gateways) {
        assert!(!gateway.is_one(key(), seen(partition, 5, 1), now, |_| false));
    }

    // What each has read is the other's now, and not held here any more.
    let read = |gateway: &Lately, partition| {
        gateway.is_one(key(), seen(partition, 5, 2), now, |number| {
            number == Sequence(2)
        })
    };
    let [first, second] = &gateways;
    assert!(!read(first, 1) || !read(second, 0), "both passed it over");

    // Answered there, it is a repeat wherever it stands.
    first.ended(Sequence(2), Outcome::Delivered);
    assert!(read(first, 0) && read(first, 1));
}
