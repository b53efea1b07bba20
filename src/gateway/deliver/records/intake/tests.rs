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
    let read = |number| lately.is_one(key(), seen(0, 5, number), now);
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
    assert!(!lately.is_one(key(), seen(0, 5, 1), now));
    assert!(lately.is_one(key(), seen(0, 6, 2), now));
    assert!(lately.is_one(key(), seen(1, 5, 2), now));
    let later = now + WINDOW + Duration::from_secs(1);
    assert!(
        !lately.is_one(key(), seen(0, 7, 2), later),
        "it is forgotten"
    );
}
