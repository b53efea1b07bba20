//! A picture that the disk does not read, or does not even answer for: who waits for it, and who does not.

use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::rig::Source;
use super::*;
use crate::system::disk::Disk;

/// Where the picture of the second event lies the disk does not read, or not even answer.
#[derive(Clone, Default)]
struct BadSector {
    is_bad: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl BadSector {
    fn disk(&self) -> Disk {
        let sector = self.clone();
        Disk::default().with_bad_places(move |path, range| {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let read = std::fs::File::open(path)
                .and_then(|file| file.read_exact_at(&mut bytes, range.start));
            if read.is_err() || bytes.is_empty() || bytes.iter().any(|byte| *byte != 2) {
                return false;
            }
            while sector.hangs.load(Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            sector.is_bad.load(Relaxed)
        })
    }

    fn set(&self, is_bad: bool, hangs: bool) {
        self.is_bad.store(is_bad, Relaxed);
        self.hangs.store(hangs, Relaxed);
    }
}

/// Nothing hangs any more when a test fails.
impl Drop for BadSector {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.set(false, false);
        }
    }
}

const PICTURED: [(i64, PersonType, &str); 5] = [
    (1, EMPLOYEE, "gate"),
    (2, EMPLOYEE, "gate"),
    (3, EMPLOYEE, "door"),
    (4, EMPLOYEE, "gate"),
    (5, STRANGER, "door"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_the_disk_does_not_read_holds_its_device_and_no_other() {
    for hangs in [false, true] {
        let sector = BadSector::default();
        sector.set(true, hangs);
        let rig = Rig::on(
            Source::DiskLog(sector.disk()),
            Plain(true),
            1_000,
            &PICTURED,
            |_| Mood::Takes,
        )
        .await;
        rig.wait(3, 0).await;
        let numbers = |rig: &Rig| {
            rig.taken()
                .iter()
                .map(|sent| sent.number)
                .collect::<Vec<_>>()
        };
        let mut taken = numbers(&rig);
        taken.sort();
        assert_eq!(taken, [1, 3, 5]);
        // What was taken meanwhile is booked: it does not come again.
        let deadline = Instant::now() + PATIENCE;
        let delivered = || {
            rig.queue
                .status()
                .subscriptions
                .iter()
                .map(|subscription| subscription.tally.delivered)
                .sum::<u64>()
        };
        while delivered() < 3 {
            assert!(Instant::now() < deadline, "{} booked", delivered());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let is_said = || {
            rig.queue
                .status()
                .outages
                .iter()
                .any(|outage| outage.contains("the pictures of record 2 at "))
        };
        while !hangs && !is_said() {
            assert!(
                Instant::now() < deadline,
                "{:?}",
                rig.queue.status().outages
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        sector.set(false, false);
        rig.wait(5, 0).await;
        let of_gate: Vec<_> = numbers(&rig)
            .into_iter()
            .filter(|number| [1, 2, 4].contains(number))
            .collect();
        assert_eq!(of_gate, [1, 2, 4]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_heard_while_the_disk_does_not_answer() {
    for hangs in [false, true] {
        let sector = BadSector::default();
        sector.set(true, hangs);
        let mut rig = Rig::on(
            Source::DiskLog(sector.disk()),
            Plain(true),
            1_000,
            &PICTURED[..2],
            |_| Mood::Takes,
        )
        .await;
        rig.wait(1, 0).await;
        rig.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, rig.delivering.take().unwrap()).await;
        sector.set(false, false);
        ended.expect("it stops").unwrap();
    }
}
