//! Set-aside records that are sent again beside what is live, over the same session.

use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use super::rig::event;
use super::*;
use crate::gateway::kept::{AsideFilter, SetAside, Why};
use crate::gateway::{Order, Resend, Resent};
use boxbridge_event::{Lane, PictureKind, Sequence, Timestamp};

const REPLAY: &str = "aside-1";

impl Rig {
    fn put_aside(&self, numbers: std::ops::RangeInclusive<i64>, person_type: PersonType) {
        for number in numbers {
            let event = event(number, person_type, "gate");
            self.aside
                .put(&set_aside(&event, "mqtt", Vec::new()))
                .unwrap();
        }
    }

    async fn resend(&self, cancelled: &CancellationToken) -> Resent {
        let lines = vec![Arc::clone(&self.line)];
        let resend = Resend::new(Arc::clone(&self.aside), lines);
        let order = Order {
            filter: AsideFilter::default(),
            replay: REPLAY.into(),
            rate: None,
        };
        let carried_out = resend.carry_out(order, cancelled.clone(), |_| {});
        tokio::time::timeout(PATIENCE, carried_out)
            .await
            .expect("it never ended")
            .unwrap()
    }

    async fn resend_all(&self) -> Resent {
        self.resend(&CancellationToken::new()).await
    }

    /// Numbers of the records that were sent again, in the order in which they arrived.
    fn resent(&self) -> Vec<i64> {
        let taken = self.taken();
        let resent = taken
            .iter()
            .filter(|sent| sent.replay.as_deref() == Some(REPLAY));
        resent.map(|sent| sent.number).collect()
    }
}

fn set_aside(
    event: &boxbridge_event::Event,
    destination: &str,
    pictures: Vec<boxbridge_event::Picture>,
) -> SetAside {
    SetAside {
        destination: destination.into(),
        lane: Lane::Normal,
        // As those of the log: each stands for two records at once.
        sequence: Sequence(event.occurred_at.0.unsigned_abs()),
        at: Timestamp::now(),
        why: Why {
            reason: "too_large",
            detail: "first".to_owned(),
            attempts: 1,
        },
        topic: None,
        event: serde_json::to_vec(event).unwrap().into(),
        pictures,
    }
}

fn counts(delivered: u64, refused: u64) -> Resent {
    Resent {
        delivered,
        refused,
        without_destination: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_aside_is_sent_again_as_a_replay_counts_nowhere_and_its_file_goes() {
    let refuses = Arc::new(AtomicBool::new(true));
    let events: Vec<_> = (1..=6).map(|number| (number, EMPLOYEE, "gate")).collect();
    let still_refuses = Arc::clone(&refuses);
    let mood = move |sent: &Sent| match sent.number == 2 && still_refuses.load(Ordering::Relaxed) {
        true => Mood::FindsTooLarge,
        false => Mood::Takes,
    };
    let rig = Rig::start(&events, mood).await;
    rig.wait(5, 1).await;

    refuses.store(false, Ordering::Relaxed);
    assert_eq!(rig.resend_all().await, counts(1, 0));
    assert_eq!((rig.resent(), rig.aside.usage().0), (vec![2], 0));
    let tally = rig.tally();
    assert_eq!(
        (tally.delivered, tally.set_aside),
        (5, 1),
        "replays are outside"
    );
    assert_eq!(
        rig.resend_all().await,
        counts(0, 0),
        "there is none any more"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_again_stays_says_why_and_pauses_nothing_live() {
    let rig = Rig::start(&[], |sent| match sent.replay {
        Some(_) => Mood::FindsTooLarge,
        None => Mood::Takes,
    })
    .await;
    rig.put_aside(1..=40, EMPLOYEE);

    assert_eq!(rig.resend_all().await, counts(0, 40));
    for number in 1..=20 {
        rig.append(number, EMPLOYEE, "gate").await;
    }
    rig.until(|| rig.tally().delivered == 20).await;
    assert_eq!(rig.contact.waits(Lane::Normal), []);
    let said = rig.set_aside();
    assert_eq!(
        said.matches(r#""detail":"not this one""#).count(),
        40,
        "{said}"
    );
    assert_eq!(said.matches(r#""attempts":2"#).count(), 40, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_the_connection_dies_on_stays_and_holds_up_neither_its_neighbours_nor_live_ones() {
    let rig = Rig::start(&[], |sent| match (sent.replay.is_some(), sent.number) {
        (true, 3) => Mood::HangsUp,
        _ => Mood::Takes,
    })
    .await;
    rig.put_aside(1..=6, EMPLOYEE);
    let resent = {
        let live = async {
            for number in 1..=50 {
                rig.append(number, EMPLOYEE, "gate").await;
            }
            rig.until(|| rig.tally().delivered == 50).await;
        };
        tokio::join!(rig.resend_all(), live).0
    };

    assert_eq!(resent, counts(5, 1));
    let said = rig.set_aside();
    assert!(said.contains(r#""reason":"poison""#), "{said}");
    assert_eq!(rig.aside.usage().0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_refused_for_a_passing_reason_is_tried_again_and_holds_up_nothing_live() {
    let tries = Arc::new(AtomicU64::new(0));
    let of_mood = Arc::clone(&tries);
    let rig = Rig::start(&[], move |sent| match sent.replay {
        Some(_) if of_mood.fetch_add(1, Ordering::Relaxed) < 2 => Mood::RefusesForNow,
        _ => Mood::Takes,
    })
    .await;
    rig.put_aside(1..=3, EMPLOYEE);
    let live = async {
        rig.until(|| tries.load(Ordering::Relaxed) > 0).await;
        rig.append(1_000, EMPLOYEE, "gate").await;
        rig.until(|| rig.tally().delivered == 1).await;
    };
    assert_eq!(tokio::join!(rig.resend_all(), live).0, counts(3, 0));
    assert_eq!(rig.aside.usage().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_resend_ends_at_once_and_what_was_not_taken_is_set_aside_still() {
    let rig = Rig::start(&[], |sent| match sent.replay {
        Some(_) => Mood::RefusesForNow,
        None => Mood::Takes,
    })
    .await;
    rig.put_aside(1..=30, EMPLOYEE);
    let cancelled = CancellationToken::new();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancelled.cancel();
    };
    assert_eq!(tokio::join!(rig.resend(&cancelled), cancel).0, counts(0, 0));
    assert_eq!(rig.aside.usage().0, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_were_set_aside_with_their_record_are_sent_with_it() {
    let rig = Rig::on(rig::Source::Memory, Plain(true), 1_000, &[], |_| {
        Mood::Takes
    })
    .await;
    let picture = |kind, bytes: usize| boxbridge_event::Picture {
        kind,
        bytes: vec![7; bytes].into(),
    };
    let pictures = vec![
        picture(PictureKind::Scene, 3_000),
        picture(PictureKind::Face, 2),
    ];
    let event = event(1, EMPLOYEE, "gate");
    rig.aside.put(&set_aside(&event, "mqtt", pictures)).unwrap();
    assert_eq!(rig.resend_all().await, counts(1, 0));
    assert_eq!(rig.taken()[0].picture_bytes, 3_002);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_for_a_destination_that_is_none_any_more_stays_and_is_counted() {
    let rig = Rig::start(&[], |_| Mood::Takes).await;
    rig.put_aside(1..=2, EMPLOYEE);
    let event = event(3, EMPLOYEE, "gate");
    rig.aside
        .put(&set_aside(&event, "gone", Vec::new()))
        .unwrap();
    let resent = Resent {
        without_destination: 1,
        ..counts(2, 0)
    };
    assert_eq!(rig.resend_all().await, resent);
    assert_eq!(rig.aside.usage().0, 1);
}
