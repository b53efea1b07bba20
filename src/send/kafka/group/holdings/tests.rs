//! What is held, handed out, and committed.

use bytes::Bytes;

use super::*;
use boxbridge_event::{EventId, Feed, Lane, Picture, Revision};

fn record(holdings: &Holdings, person_type: PersonType) -> Record {
    numbered(holdings.next_number(), person_type)
}

pub(in super::super) fn numbered(sequence: Sequence, person_type: PersonType) -> Record {
    Record {
        sequence,
        received_at: Timestamp(1),
        id: EventId([0; 16]),
        revision: Revision(1),
        person_type,
        feed: Feed::Realtime,
        lane: Lane::Normal,
        event: Bytes::from_static(b"{}"),
        has_pictures: false,
        replay: None,
        resent: None,
        appended_before_this_process: false,
        carried: None,
        picture_reader: Arc::new(Vec::<Picture>::new()),
    }
}

fn place(partition: i32) -> Place {
    ("topic".into(), partition)
}

/// Partition 0, with these offsets read.
fn holding(offsets: &[(i64, PersonType)]) -> Holdings {
    let mut holdings = Holdings::new(Limits {
        records: 100,
        bytes: 1 << 20,
    });
    holdings.begin(place(0), None);
    for (offset, person_type) in offsets {
        let record = record(&holdings, *person_type);
        holdings.keep(&place(0), *offset, record);
    }
    holdings
}

fn numbers(holdings: &mut Holdings, paused: &[PersonType]) -> Vec<u64> {
    let handed_out = std::iter::from_fn(|| holdings.hand_out(paused));
    handed_out.map(|record| record.sequence.0).collect()
}

const VISITOR: PersonType = PersonType::Visitor;
const VIP: PersonType = PersonType::Vip;

#[test]
fn an_offset_is_committed_up_to_the_lowest_record_without_an_outcome() {
    let mut holdings = holding(&[(10, VIP), (11, VIP), (15, VIP)]);
    assert_eq!(holdings.new_offsets(), [(place(0), 10)]);
    assert_eq!(numbers(&mut holdings, &[]), [1, 2, 3]);

    assert!(holdings.settle(Sequence(2)));
    assert_eq!(holdings.new_offsets(), [], "the first is not answered");
    assert!(holdings.settle(Sequence(1)));
    assert_eq!(holdings.new_offsets(), [(place(0), 15)]);
    assert!(holdings.settle(Sequence(3)) && !holdings.settle(Sequence(3)));
    holdings.pass(&place(0), 16);
    let last = holdings.new_offsets();
    assert_eq!(last, [(place(0), 17)], "what is passed over counts");

    holdings.doubt_committed();
    assert_eq!(holdings.new_offsets(), last);
}

#[test]
fn what_has_no_outcome_comes_again_in_its_order_and_a_paused_type_stays() {
    let mut holdings = holding(&[(0, VIP), (1, VISITOR), (2, VIP)]);
    assert_eq!(numbers(&mut holdings, &[VISITOR]), [1, 3]);
    holdings.settle(Sequence(1));
    holdings.rewind(Sequence(0));
    assert_eq!(numbers(&mut holdings, &[]), [2, 3]);
    holdings.rewind_type(VISITOR);
    assert_eq!(numbers(&mut holdings, &[]), [2]);
    holdings.rewind(Sequence(3));
    assert_eq!(numbers(&mut holdings, &[]), [3]);
}

#[test]
fn nothing_of_a_partition_that_leaves_goes_out_and_it_is_quiet_once_all_came_back() {
    let mut holdings = holding(&[(0, VIP), (1, VIP), (2, VIP)]);
    holdings.hand_out(&[]);
    holdings.hand_out(&[]);
    holdings.leave(&place(0));
    assert!(numbers(&mut holdings, &[]).is_empty());
    assert!(!holdings.are_quiet());

    holdings.settle(Sequence(1));
    assert!(!holdings.is_wanted(Sequence(2)), "it is given back");
    assert!(holdings.are_quiet());
    assert_eq!(holdings.offset(&place(0)), Some(1));
    holdings.end(&place(0));
    assert!(!holdings.settle(Sequence(2)) && holdings.count() == 0);
    assert!(!holdings.is_pending(Sequence(2)));

    // It comes back, under other numbers.
    holdings.begin(place(0), Some(1));
    let coming = holdings.coming(&place(0), 4);
    assert_eq!(coming, Some(Coming::Next { expected: 1 }));
    assert_eq!(holdings.coming(&place(1), 4), None, "never ours");
    assert_eq!(holdings.next_number(), Sequence(4));
}

/// Its topic was deleted and made again, or a node that lagged behind leads it.
#[test]
fn a_log_that_begins_anew_is_read_whole_and_what_is_held_of_the_one_before_goes_out() {
    let mut holdings = holding(&[(10, VIP), (11, VIP)]);
    assert_eq!(holdings.new_offsets(), [(place(0), 10)]);
    assert_eq!(
        holdings.coming(&place(0), 11),
        Some(Coming::Again),
        "it was popped in the moment of a pause"
    );

    assert_eq!(holdings.coming(&place(0), 0), Some(Coming::Anew));
    holdings.begin_anew(&place(0));
    for offset in [0, 10, 11] {
        let expected = Some(Coming::Next { expected: offset });
        let coming = holdings.coming(&place(0), offset);
        assert!(offset > 0 || coming == expected, "{coming:?}");
        keep(&mut holdings, 0, offset);
    }
    assert_eq!(
        holdings.new_offsets(),
        [(place(0), 0)],
        "that of the new log"
    );
    assert_eq!(numbers(&mut holdings, &[]), [1, 2, 3, 4, 5]);
    let pending = (1..=6).filter(|number| holdings.is_pending(Sequence(*number)));
    assert!(pending.eq([3, 4, 5]), "nobody reads the others again");

    holdings.settle(Sequence(3));
    assert_eq!(holdings.new_offsets(), [(place(0), 10)]);
    for number in [4, 5] {
        assert!(holdings.settle(Sequence(number)));
    }
    assert_eq!(holdings.new_offsets(), [(place(0), 12)]);
    assert!(holdings.settle(Sequence(1)) && holdings.settle(Sequence(2)));
    assert_eq!(holdings.count(), 0);
    assert_eq!(holdings.new_offsets(), []);
}

#[test]
fn a_log_that_ends_before_the_committed_offset_is_read_whole() {
    let mut holdings = holding(&[]);
    holdings.begin(place(0), Some(1_000));
    assert_eq!(holdings.coming(&place(0), 0), Some(Coming::Anew));
}

pub(in super::super) fn keep(holdings: &mut Holdings, partition: i32, offset: i64) {
    let record = record(holdings, VIP);
    holdings.keep(&place(partition), offset, record);
}

#[test]
fn a_partition_stands_still_when_it_holds_half_and_goes_on_when_it_holds_half_of_what_is_free() {
    let mut holdings = holding(&[]);
    holdings.begin(place(1), None);
    for offset in 0..50 {
        assert_eq!(holdings.turn().filled, []);
        keep(&mut holdings, 0, offset);
    }
    assert_eq!(holdings.turn().filled, [place(0)]);
    assert_eq!(holdings.turn().filled, [], "once");

    numbers(&mut holdings, &[]);
    for number in 1..=17 {
        assert_eq!(holdings.turn().emptied, []);
        holdings.settle(Sequence(number));
    }
    assert_eq!(holdings.turn().emptied, [place(0)], "33 held, 67 free");
    assert_eq!(holdings.turn().emptied, [], "once");
}

#[test]
fn many_partitions_share_what_is_held_and_each_holds_a_few() {
    let mut holdings = holding(&[]);
    for partition in 0..50 {
        holdings.begin(place(partition), None);
    }
    let mut held = Vec::new();
    for partition in 0..50 {
        let mut count = 0;
        while holdings.turn().filled.is_empty() {
            keep(&mut holdings, partition, count);
            count += 1;
        }
        held.push(usize::try_from(count).unwrap());
    }
    assert_eq!(held[..5], [50, 25, 13, LEAST_RECORDS, LEAST_RECORDS]);
    assert!(held[5..].iter().all(|count| *count == LEAST_RECORDS));
}

#[test]
fn a_record_that_is_larger_than_all_that_may_be_held_is_held_alone() {
    let mut holdings = Holdings::new(Limits {
        records: 100,
        bytes: 1,
    });
    holdings.begin(place(0), None);
    assert_eq!(holdings.turn().filled, []);
    keep(&mut holdings, 0, 0);
    assert_eq!(holdings.turn().filled, [place(0)]);

    numbers(&mut holdings, &[]);
    holdings.settle(Sequence(1));
    assert_eq!(holdings.turn().emptied, [place(0)]);
}
