//! A disk that other files fill: every place that is asked says the same, and whose fault it is.

use serde_json::json;

use crate::parts::gateway::{Gateway, event};
use crate::parts::volume::Volume;

/// More than a tenth of a segment of the smallest queue, so that a few of them fill one.
const LARGE: usize = 2 << 20;

#[test]
fn a_disk_that_others_fill_is_said_in_one_voice() {
    let volume = Volume::with_size(300);
    let data = volume.path().join("data").display().to_string();
    let gateway = Gateway::start(&[
        ("DATA_DIR", &data),
        ("QUEUE__MAX_BYTES", "256MiB"),
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
    ]);
    let foreign = std::fs::File::create(volume.path().join("foreign")).unwrap();
    let left = rustix::fs::fstatvfs(&foreign).unwrap();
    let all_but_a_little = left.f_bavail * left.f_frsize - (12 << 20);
    rustix::fs::fallocate(
        &foreign,
        rustix::fs::FallocateFlags::empty(),
        0,
        all_but_a_little,
    )
    .unwrap();

    let mut large = event("1", json!(2), "192.168.1.9");
    large["note"] = json!("x".repeat(LARGE));
    let is_refused = |number: i64| {
        large["timestamp"] = json!(1_566_016_554_020_i64 + number);
        gateway.post("/RealTimeEvent", &large).status == 503
    };
    assert!((0..40).any(is_refused), "the disk is full");

    let reasons = gateway.ready()["reasons"].to_string();
    for said in [
        "queue full: no event is taken",
        "other files fill the disk",
        "taking events fails: ",
    ] {
        assert!(reasons.contains(said), "{reasons}");
    }
    let (screen, _) = gateway.run(&["status"]);
    assert!(screen.contains(" 0 B free on its disk; FULL"), "{screen}");
    assert!(!screen.contains("full in"), "{screen}");
    let (queue, _) = gateway.run(&["queue", "status"]);
    assert!(queue.contains("other files fill it"), "{queue}");
}
