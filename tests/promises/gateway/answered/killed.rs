//! The disk goes with its gateway: what was answered from Kafka is there, and so are its pictures.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{FROM_KAFKA, pictured};
use crate::parts::gateway::Gateway;
use crate::parts::site::Site;

const BOXES: usize = 8;
/// For events to be everywhere on their way when the gateway dies.
const UNDER_LOAD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_with_its_disk_loses_nothing_that_kafka_and_the_store_had_answered_for() {
    let mut site = Site::start("disk-gone", &[FROM_KAFKA]);
    let answered = tokio::task::block_in_place(|| {
        let number = AtomicU64::new(0);
        let answered = std::thread::scope(|scope| {
            let boxes: Vec<_> = (0..BOXES)
                .map(|_| scope.spawn(|| send_until_it_dies(&site.gateway, &number)))
                .collect();
            // The stimulus: boxes send.
            std::thread::sleep(UNDER_LOAD);
            site.gateway.signal("KILL");
            let answered = boxes.into_iter().map(|sender| sender.join().unwrap());
            answered.flatten().collect::<BTreeSet<String>>()
        });
        site.gateway.kill();
        std::fs::remove_dir_all(site.gateway.data_dir()).unwrap();
        answered
    });
    assert!(answered.len() > 10, "only {} were answered", answered.len());

    // Some were there whose boxes heard nothing.
    let mut on_kafka = BTreeSet::new();
    for message in site.on_kafka("employee", answered.len()).await {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let id = payload["id"].as_str().unwrap().to_owned();
        let uri = payload["pictures"]["scene"]["uri"].as_str().unwrap();
        if answered.contains(&id) {
            assert!(site.object(uri).is_some(), "{uri}");
        }
        on_kafka.insert(id);
    }
    let lost: Vec<_> = answered.difference(&on_kafka).collect();
    assert!(lost.is_empty(), "{lost:?} of {}", answered.len());
}

/// The ids of what was answered 200.
fn send_until_it_dies(gateway: &Gateway, number: &AtomicU64) -> Vec<String> {
    let mut answered = Vec::new();
    loop {
        let event = pictured(number.fetch_add(1, Ordering::Relaxed));
        let body = event.to_string();
        match gateway.try_post("/RealTimeEvent", body.as_bytes()) {
            Some(answer) => {
                assert_eq!(answer.status, 200, "{answer:?}");
                answered.push(answer.body["event_id"].as_str().unwrap().to_owned());
            }
            None => return answered,
        }
    }
}
