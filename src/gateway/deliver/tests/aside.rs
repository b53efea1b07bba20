//! A set-aside store that takes its time.

use std::path::Path;

use super::rig::Source;
use super::*;
use crate::system::disk::Disk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_set_aside_store_says_nothing_all_others_flow() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = Arc::downgrade(&is_silent);
    let disk = Disk::failing(move |_, path: &Path| {
        let is_of_it = path.components().any(|it| it.as_os_str() == "aside");
        let is_silent = || {
            silent
                .upgrade()
                .is_some_and(|it| it.load(Ordering::Relaxed))
        };
        while is_of_it && is_silent() {
            // A call of the system that does not come back.
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });

    let mood = |sent: &Sent| match sent.person_type {
        STRANGER => Mood::FindsTooLarge,
        _ => Mood::Takes,
    };
    let rig = Rig::on(Source::DiskLog(disk), Plain(false), 1_000, &[], mood).await;
    is_silent.store(true, Ordering::Relaxed);
    rig.append(1, STRANGER, "gate").await;
    rig.append(2, STRANGER, "gate").await;
    for number in 3..=20 {
        rig.append(number, EMPLOYEE, "gate").await;
    }
    rig.until(|| rig.taken().len() == 18).await;
    assert_eq!(rig.tally().set_aside, 0);

    is_silent.store(false, Ordering::Relaxed);
    rig.wait(18, 2).await;
}
