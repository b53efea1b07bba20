//! A store of another name is a copy: what it has not got yet stays in the log, whatever the store itself has.

use std::time::Duration;

use boxbridge::event::{Lane, PersonType, PictureKind};
use boxbridge::queue::{Queue, Settings};

use super::support::*;

const RECORDS: u64 = 40;
const PICTURE: usize = 16_000;

/// Several segments of pictures, which the store has and the bus has not.
async fn stored(settings: Settings) -> Queue {
    let queue = Queue::open(settings, &["store", "archive", "mqtt"]).unwrap();
    for number in 1..=RECORDS {
        let pictures = [picture(PictureKind::Scene, number, PICTURE)];
        step(queue.append(entry(number, PersonType::Vip, Lane::Normal, &pictures))).await.unwrap();
    }
    drain(&mut queue.cursor("store", Lane::Normal).unwrap(), RECORDS as usize).await;
    queue
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_stay_in_the_log_until_every_copy_has_them() {
    let (copied, alone) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let often = Duration::from_millis(10);
    let copies = vec!["archive".to_owned()];
    let queue = stored(Settings { upkeep_interval: often, copies, ..settings(copied.path()) }).await;
    let other = stored(Settings { upkeep_interval: often, ..settings(alone.path()) }).await;

    // By then the first has had its chance as well.
    let is_small = |queue: &Queue| queue.status().bytes.waiting < RECORDS * PICTURE as u64 * 3 / 4;
    until(|| "nothing is given back".to_owned(), || is_small(&other)).await;
    assert!(!is_small(&queue));

    let mut archive = queue.cursor("archive", Lane::Normal).unwrap();
    for number in 1..=RECORDS {
        let record = step(archive.next()).await;
        assert_eq!(record.pictures().await.unwrap(), [picture(PictureKind::Scene, number, PICTURE)]);
        archive.answer(record.sequence, boxbridge::queue::Outcome::Delivered);
    }
    until(|| "nothing is given back after the copy has all".to_owned(), || is_small(&queue)).await;
}
