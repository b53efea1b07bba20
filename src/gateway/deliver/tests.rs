//! The loop of the way out, with a real queue, against a destination that hangs up or refuses as it is told.

mod aside;
mod bad_sector;
mod memory;
mod moody;
mod plain;
mod resend;
mod rig;
mod sources;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use boxbridge_event::PersonType;

use moody::{Mood, Sent};
use plain::{LIVE, Plain};
use rig::{PATIENCE, Rig};

const EMPLOYEE: PersonType = PersonType::Employee;
const STRANGER: PersonType = PersonType::Stranger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_that_the_connection_dies_on_is_set_aside_and_its_five_neighbours_arrive() {
    let events: Vec<_> = (1..=6).map(|number| (number, EMPLOYEE, "gate")).collect();
    let rig = Rig::start(&events, |sent| {
        if sent.number == 2 {
            Mood::HangsUp
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait(5, 1).await;
    let aside = rig.set_aside();
    assert!(
        aside.contains(r#""reason":"poison""#) && aside.contains("topic employee/gate, 100 bytes"),
        "{aside}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_neighbours_that_the_connection_dies_on_do_not_hide_each_other() {
    let events: Vec<_> = (1..=12).map(|number| (number, EMPLOYEE, "gate")).collect();
    let rig = Rig::start(&events, |sent| {
        if [3, 4].contains(&sent.number) {
            Mood::HangsUp
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait(10, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stranger_that_is_denied_by_hanging_up_costs_twenty_employees_no_more_than_seconds() {
    let denied = Arc::new(AtomicBool::new(true));
    let events: Vec<_> = [(1, STRANGER, "gate")]
        .into_iter()
        .chain((2..=21).map(|number| (number, EMPLOYEE, "gate")))
        .collect();
    let is_denied = Arc::clone(&denied);
    let mood = move |sent: &Sent| {
        if sent.person_type == STRANGER && is_denied.load(Ordering::Relaxed) {
            Mood::HangsUp
        } else {
            Mood::Takes
        }
    };
    let rig = Rig::start(&events, mood).await;
    let took = rig.wait(20, 0).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let deadline = Instant::now() + PATIENCE;
    while !rig
        .contact
        .troubles()
        .iter()
        .any(|suspect| suspect.contains("stranger"))
    {
        assert!(Instant::now() < deadline, "{:?}", rig.contact.troubles());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    denied.store(false, Ordering::Relaxed);
    rig.wait(21, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_that_is_denied_by_hanging_up_waits_whole_and_the_others_flow() {
    let type_of = |number| if number % 2 == 1 { STRANGER } else { EMPLOYEE };
    let events: Vec<_> = (1..=40)
        .map(|number| (number, type_of(number), "gate"))
        .collect();
    let rig = Rig::start(&events, |sent| {
        if sent.person_type == STRANGER {
            Mood::HangsUp
        } else {
            Mood::Takes
        }
    })
    .await;
    let took = rig.wait(20, 0).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(rig.taken().iter().all(|sent| sent.person_type == EMPLOYEE));
    assert!(rig.taken().is_sorted_by_key(|sent| sent.number));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_dies_on_everything_sets_nothing_aside_and_everything_arrives_when_it_is_well()
 {
    let well_at = Instant::now() + Duration::from_secs(6);
    let events: Vec<_> = (1..=60)
        .map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "gate"))
        .collect();
    let rig = Rig::start(&events, move |_| {
        if Instant::now() < well_at {
            Mood::HangsUp
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait(60, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_a_passing_reason_arrives_in_order_and_nothing_is_set_aside() {
    let until = Instant::now() + Duration::from_secs(2);
    let events: Vec<_> = (1..=90)
        .map(|number| {
            (
                number,
                EMPLOYEE,
                ["gate", "door", "yard"][number as usize % 3],
            )
        })
        .collect();
    let rig = Rig::start(&events, move |_| {
        if Instant::now() < until {
            Mood::RefusesForNow
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait(90, 0).await;
    rig.assert_order();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_refused_for_now_silences_no_other_however_much_waits_behind_it() {
    let over_quota = Arc::new(AtomicBool::new(true));
    // Four windows of another type stand behind the refused event.
    let behind = (2..=300).map(|number| (number, STRANGER, "gate"));
    let others =
        (301..=320).map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "door"));
    let events: Vec<_> = [(1, EMPLOYEE, "gate")]
        .into_iter()
        .chain(behind)
        .chain(others)
        .collect();
    let is_over_quota = Arc::clone(&over_quota);
    let refuses = move |sent: &Sent| sent.device == "gate" && is_over_quota.load(Ordering::Relaxed);
    let rig = Rig::start_with(20, &events, move |sent| {
        if refuses(sent) {
            Mood::RefusesForNow
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait_for(301..=320).await;
    assert!(rig.taken().iter().all(|sent| sent.device == "door"));

    over_quota.store(false, Ordering::Relaxed);
    rig.wait(320, 0).await;
    rig.assert_order_of_topics();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_refused_for_now_is_named_at_once_and_silences_no_other_of_its_device() {
    let over_quota = Arc::new(AtomicBool::new(true));
    let type_of = |number| [EMPLOYEE, STRANGER][number as usize % 2];
    let events: Vec<_> = (1..=60)
        .map(|number| (number, type_of(number), "gate"))
        .collect();
    let is_over_quota = Arc::clone(&over_quota);
    let mood = move |sent: &Sent| {
        let is_refused = sent.person_type == STRANGER && is_over_quota.load(Ordering::Relaxed);
        if is_refused {
            Mood::RefusesForNow
        } else {
            Mood::Takes
        }
    };
    // One in flight, so that all stand behind the first.
    let rig = Rig::start_with(1, &events, mood).await;
    let said = "mqtt normal: stranger is refused for now on one device: passing: not this one";
    let is_named = || {
        let troubles = rig.contact.troubles();
        troubles.iter().any(|trouble| trouble.starts_with(said))
    };
    rig.until(is_named).await;
    let employees = (1..=60).filter(|number| type_of(*number) == EMPLOYEE);
    rig.wait_for(employees).await;
    assert!(rig.taken().iter().all(|sent| sent.person_type == EMPLOYEE));

    over_quota.store(false, Ordering::Relaxed);
    rig.wait(60, 0).await;
    rig.assert_order_of_topics();
    rig.until(|| !is_named()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_refused_twice_is_overtaken_by_none_of_its_own() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let events: Vec<_> = (1..=6)
        .map(|number| (number, [EMPLOYEE, STRANGER][number as usize % 2], "gate"))
        .collect();
    let counted = Arc::clone(&refusals);
    let mood = move |sent: &Sent| {
        let is_refused = sent.number == 1 && counted.fetch_add(1, Ordering::Relaxed) < 2;
        if is_refused {
            Mood::RefusesForNow
        } else {
            Mood::Takes
        }
    };
    // One in flight at first: what was on its way at the first refusal may pass.
    let rig = Rig::start_with(20, &events[..1], mood).await;
    rig.until(|| refusals.load(Ordering::Relaxed) > 0).await;
    for (number, person_type, device) in &events[1..] {
        rig.append(*number, *person_type, device).await;
    }
    rig.wait(6, 0).await;
    rig.assert_order();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_topic_that_is_forbidden_keeps_no_live_event_waiting_however_much_is_late() {
    let forbidden = Arc::new(AtomicBool::new(true));
    let late = (1..=400).map(|number| (number, EMPLOYEE, "gate"));
    let live = (1..=20).map(|number| (LIVE + number, EMPLOYEE, "gate"));
    let events: Vec<_> = late.chain(live).collect();
    let is_forbidden = Arc::clone(&forbidden);
    let forbids = move |sent: &Sent| sent.number < LIVE && is_forbidden.load(Ordering::Relaxed);
    let rig = Rig::start_with(20, &events, move |sent| {
        if forbids(sent) {
            Mood::Forbids
        } else {
            Mood::Takes
        }
    })
    .await;
    rig.wait_for(LIVE + 1..=LIVE + 20).await;
    assert!(rig.taken().iter().all(|sent| sent.number >= LIVE));

    // Of the late ones those that were refused before the topic was paused are set aside, and the others follow in order.
    forbidden.store(false, Ordering::Relaxed);
    rig.until(|| rig.tally().delivered + rig.tally().set_aside == 420)
        .await;
    let late: Vec<_> = rig
        .taken()
        .iter()
        .map(|sent| sent.number)
        .filter(|number| *number < LIVE)
        .collect();
    assert!(late.is_sorted() && late.len() > 300, "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nothing_can_be_set_aside_only_what_is_refused_waits() {
    let mood = |sent: &Sent| {
        if sent.person_type == STRANGER {
            Mood::Forbids
        } else {
            Mood::Takes
        }
    };
    let rig = Rig::start(&[], mood).await;
    rig.has_aside_folder(false);
    for number in 1..=40 {
        let person_type = [EMPLOYEE, STRANGER][number as usize % 2];
        rig.append(number, person_type, "gate").await;
    }
    rig.wait(20, 0).await;
    let said =
        "mqtt normal: stranger is paused: not_authorised, and the event cannot be set aside: ";
    let is_said = || {
        let troubles = rig.contact.troubles();
        troubles.iter().any(|trouble| trouble.starts_with(said))
    };
    rig.until(is_said).await;

    rig.has_aside_folder(true);
    rig.until(|| rig.tally().set_aside == 10).await;
    rig.until(|| !is_said()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_while_a_stop_ends_its_session_is_not_sent_again() {
    let submitted = Arc::new(AtomicBool::new(false));
    let is_submitted = Arc::clone(&submitted);
    let mood = move |_: &Sent| {
        is_submitted.store(true, Ordering::Relaxed);
        Mood::TakesAtTheEnd
    };
    let mut rig = Rig::start(&[(1, EMPLOYEE, "gate")], mood).await;
    rig.until(|| submitted.load(Ordering::Relaxed)).await;

    rig.stop.cancel();
    rig.delivering.take().unwrap().await.unwrap();
    assert_eq!((rig.taken().len(), rig.tally().delivered), (1, 1));
}
