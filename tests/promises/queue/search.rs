//! Records are looked up, newest first, by time, person type, device, lane and id: beside a queue that runs, and in one that is stopped.

use boxbridge::queue::{Entry, Page, Queue, Record, Search, Selection, inspect};
use boxbridge_event::{EventId, Lane, PersonType, Revision, Sequence, Timestamp};

use crate::queue::support::{entry, event_number, open, step};

fn received_at(number: u64) -> Timestamp {
    Timestamp(1_000_000 + number as i64)
}

/// Received one a millisecond; every third is an urgent one of a VIP, every fifth of another device, and each has two neighbours' size.
fn of_number(number: u64) -> Entry {
    let (person_type, lane) = match number % 3 {
        0 => (PersonType::Vip, Lane::Urgent),
        _ => (PersonType::Visitor, Lane::Normal),
    };
    let mut entry = entry(number, person_type, lane, &[]);
    entry.event.received_at = received_at(number);
    if number.is_multiple_of(5) {
        entry.event.device.id = "门 5".to_owned();
    }
    entry
}

async fn append(queue: &Queue, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        step(queue.append(of_number(number))).await.expect("room");
    }
}

fn search(selection: Selection, before: Option<Sequence>, limit: usize) -> Search {
    Search {
        selection,
        before,
        limit,
    }
}

fn numbers(page: &Page<Record>) -> Vec<u64> {
    page.found.iter().map(event_number).collect()
}

/// All pages of so many; the numbers of the events.
async fn all(queue: &Queue, selection: &Selection, limit: usize) -> Vec<u64> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let search = search(selection.clone(), before, limit);
        let page = step(queue.search(search)).await.unwrap();
        assert!(page.found.len() <= limit);
        found.extend(numbers(&page));
        match page.next {
            Some(next) => {
                assert!(before.is_none_or(|before| next < before), "{next}");
                before = Some(next);
            }
            None => return found,
        }
    }
}

fn downwards(from: u64, is_meant: impl Fn(u64) -> bool) -> Vec<u64> {
    (1..=from)
        .rev()
        .filter(|number| is_meant(*number))
        .collect()
}

#[tokio::test]
async fn a_search_finds_what_is_meant_newest_first_over_all_pages() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=300).await;
    assert!(
        queue.status().newest.0 == 300 && inspect::status(dir.path()).unwrap().segments.len() > 2,
        "over several segments"
    );

    let everything = Selection::default();
    for limit in [1, 7, 100, 1000] {
        assert_eq!(
            all(&queue, &everything, limit).await,
            downwards(300, |_| true)
        );
    }
    let vips = Selection {
        person_types: vec![PersonType::Vip],
        ..Selection::default()
    };
    assert_eq!(all(&queue, &vips, 10).await, downwards(300, |n| n % 3 == 0));
    let normal = Selection {
        lane: Some(Lane::Normal),
        ..Selection::default()
    };
    assert_eq!(
        all(&queue, &normal, 10).await,
        downwards(300, |n| n % 3 != 0)
    );
    let of_device = Selection {
        device: Some("门 5".to_owned()),
        ..vips
    };
    assert_eq!(
        all(&queue, &of_device, 3).await,
        downwards(300, |n| n % 15 == 0)
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn a_range_of_time_is_exact_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=300).await;
    for (from, to) in [(1, 300), (100, 200), (250, 251), (250, 250), (301, 400)] {
        let range = Selection {
            from: Some(received_at(from)),
            to: Some(received_at(to)),
            ..Selection::default()
        };
        let expected = downwards(300, |number| (from..to).contains(&number));
        assert_eq!(all(&queue, &range, 40).await, expected, "{from} to {to}");
    }
    assert_eq!(
        step(queue.oldest()).await.unwrap(),
        Some((Sequence(1), received_at(1)))
    );
    queue.shutdown().await;
}

#[tokio::test]
async fn every_revision_of_an_event_is_found_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=50).await;
    let mut again = of_number(20);
    again.event.revision = Revision(2);
    let id = again.event.id;
    step(queue.append(again)).await.unwrap();

    let of_id = |id| Selection {
        id: Some(id),
        ..Selection::default()
    };
    let page = step(queue.search(search(of_id(id), None, 100)))
        .await
        .unwrap();
    let found: Vec<_> = page
        .found
        .iter()
        .map(|record| (record.sequence, record.revision))
        .collect();
    assert_eq!(
        found,
        [(Sequence(51), Revision(2)), (Sequence(20), Revision(1))]
    );
    assert_eq!(page.next, None);
    assert_eq!(all(&queue, &of_id(EventId([7; 16])), 10).await, [0; 0]);
    queue.shutdown().await;
}

#[tokio::test]
async fn a_stopped_queue_tells_the_same_as_a_running_one() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), &["mqtt"]);
    append(&queue, 1..=120).await;
    let look = search(
        Selection {
            person_types: vec![PersonType::Vip],
            device: Some("门 5".to_owned()),
            ..Selection::default()
        },
        Some(Sequence(100)),
        4,
    );
    let running = step(queue.search(look.clone())).await.unwrap();
    queue.shutdown().await;

    let stopped = inspect::search(dir.path(), &look).unwrap();
    assert_eq!(stopped.next, running.next);
    let of_running = running.found.iter();
    let of_running: Vec<_> = of_running
        .map(|record| (record.sequence, record.event.clone()))
        .collect();
    let of_stopped = stopped.found.iter();
    let of_stopped: Vec<_> = of_stopped
        .map(|(summary, event)| (summary.sequence, event.clone()))
        .collect();
    assert_eq!(of_stopped, of_running);
    assert_eq!(numbers(&running), [90, 75, 60, 45]);
}
