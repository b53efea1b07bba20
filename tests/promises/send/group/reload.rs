//! Other settings while the gateway runs: what goes to another topic on Kafka reaches the broker, too.

use super::doors::{Doors, EMPLOYEE, PARTITIONS, all_of, post};
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_a_reload_names_is_read_beside_the_one_before() {
    let doors = tokio::task::block_in_place(|| Doors::new("renamed"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let say = |topic: &str| {
        let text = format!(
            "[send.renamed]\nkind = \"mqtt\"\nfrom = \"kafka\"\n[route.default]\nkafka_topic = \"renamed.{topic}.{{person_type}}\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    say("one");
    let path = file.display().to_string();
    let gateway = tokio::task::block_in_place(|| doors.start_by_file(&path));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        post(&gateway, EMPLOYEE, 0..20, 10);
        say("two");
        gateway.signal("HUP");
        wait_until("the settings are taken", || {
            gateway.sum("boxbridge_config_generation", &[]) == 2.0
        });
        post(&gateway, EMPLOYEE, 20..40, 10);
    });
    all_of(&mut subscriber, 0..40).await;
    tokio::task::block_in_place(|| {
        doors.wait_for_partitions(&[&gateway], 12 * PARTITIONS);
    });
}
