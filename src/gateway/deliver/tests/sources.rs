//! The same delivery over two sources of records: the disk log, and a plain list in memory.

use super::memory::Memory;
use super::rig::{PATIENCE, Source, event};
use super::*;
use crate::gateway::{Backlog, Records as _};
use crate::send::window::Poison;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Layers};
use boxbridge_event::Sequence;

#[tokio::test]
async fn a_window_with_room_reads_every_type_whatever_its_source_had_left_unread() {
    let memory = Memory::default();
    memory.append(&event(1, EMPLOYEE, "gate"), Vec::new());
    let mut source = memory.reader();
    source.pause(EMPLOYEE);

    let config = Config::load(&Layers::default()).unwrap();
    let mut backlog = Backlog::new(source, &config.send, Poison::Possible);
    backlog.make_room(Instant::now());
    let read = tokio::time::timeout(PATIENCE, backlog.next()).await;
    assert_eq!(read.expect("it is read").sequence, Sequence(1));
}

fn sources() -> [Source; 2] {
    [Source::DiskLog(Disk::default()), Source::Memory]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_source_everything_is_delivered_once_in_order_and_with_its_pictures() {
    for source in sources() {
        let events: Vec<_> = (1..=50)
            .map(|number| (number, EMPLOYEE, ["gate", "door"][number as usize % 2]))
            .collect();
        let rig = Rig::on(source, Plain(true), 10, &events, |_| Mood::Takes).await;
        rig.until(|| rig.tally().delivered == 50).await;
        rig.append(51, STRANGER, "gate").await;
        rig.until(|| rig.tally().delivered == 51).await;

        let taken = rig.taken();
        assert_eq!(taken.len(), 51);
        assert!(taken.iter().all(|sent| sent.picture_bytes == 5_000));
        rig.assert_order();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_source_a_record_that_kills_the_connection_is_set_aside_and_the_others_arrive()
{
    for source in sources() {
        let events: Vec<_> = (1..=6).map(|number| (number, EMPLOYEE, "gate")).collect();
        let mood = |sent: &Sent| {
            if sent.number == 2 {
                Mood::HangsUp
            } else {
                Mood::Takes
            }
        };
        let rig = Rig::on(source, Plain(false), 1_000, &events, mood).await;
        rig.wait(5, 1).await;
        assert!(
            rig.set_aside().contains(r#""reason":"poison""#),
            "{}",
            rig.set_aside()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_source_what_was_left_unread_for_a_refused_device_is_read_again_in_order() {
    for source in sources() {
        let over_quota = Arc::new(AtomicBool::new(true));
        let refused = (1..=300).map(|number| (number, EMPLOYEE, "gate"));
        let events: Vec<_> = refused
            .chain((301..=320).map(|number| (number, EMPLOYEE, "door")))
            .collect();
        let is_over_quota = Arc::clone(&over_quota);
        let mood = move |sent: &Sent| match sent.device == "gate"
            && is_over_quota.load(Ordering::Relaxed)
        {
            true => Mood::RefusesForNow,
            false => Mood::Takes,
        };
        let rig = Rig::on(source, Plain(false), 20, &events, mood).await;
        rig.wait_for(301..=320).await;
        assert!(rig.taken().iter().all(|sent| sent.device == "door"));

        over_quota.store(false, Ordering::Relaxed);
        rig.wait(320, 0).await;
        rig.assert_order();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_source_a_forbidden_topic_sets_aside_what_was_refused_and_the_rest_arrives_later()
 {
    for source in sources() {
        let forbidden = Arc::new(AtomicBool::new(true));
        let late = (1..=400).map(|number| (number, EMPLOYEE, "gate"));
        let events: Vec<_> = late
            .chain((1..=20).map(|number| (LIVE + number, EMPLOYEE, "gate")))
            .collect();
        let is_forbidden = Arc::clone(&forbidden);
        let mood =
            move |sent: &Sent| match sent.number < LIVE && is_forbidden.load(Ordering::Relaxed) {
                true => Mood::Forbids,
                false => Mood::Takes,
            };
        let rig = Rig::on(source, Plain(false), 20, &events, mood).await;
        rig.wait_for(LIVE + 1..=LIVE + 20).await;

        forbidden.store(false, Ordering::Relaxed);
        rig.until(|| rig.tally().total() == 420).await;
        assert_eq!(rig.taken().len() as u64, rig.tally().delivered);
        assert!(
            rig.tally().set_aside > 0 && rig.tally().set_aside < 100,
            "{:?}",
            rig.tally()
        );
    }
}
