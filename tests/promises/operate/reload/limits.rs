//! Limits and the log's level: they hold for the next request.

use serde_json::json;

use super::{File, taken};
use crate::parts::gateway::event;
use crate::parts::site::{base64, jpeg, wait_until};

const NOWHERE: (&str, &str) = ("SEND__MQTT__URL", "mqtt://127.0.0.1:9");

#[test]
fn limits_of_the_boxes_port_hold_for_the_next_request() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    let body = event(&"i".repeat(2_000), json!(1), "gate");
    gateway.take("/RealTimeEvent", &body);

    file.write("[ingest]\nbody_max_bytes = \"1KiB\"\n");
    taken(&gateway);
    assert_eq!(gateway.post("/RealTimeEvent", &body).status, 413);

    file.write("[ingest]\nallowed_networks = [\"192.0.2.0/24\"]\n");
    taken(&gateway);
    assert_eq!(gateway.post("/RealTimeEvent", &body).status, 403);

    file.write("[ingest]\nrealtime_paths = [\"/faces\"]\nevents_max = 1\n");
    taken(&gateway);
    gateway.take("/faces", &event("2", json!(1), "gate"));
    assert_eq!(gateway.post("/RealTimeEvent", &body).status, 404);

    let two = json!([event("3", json!(1), "gate"), event("4", json!(1), "gate")]);
    assert_eq!(gateway.post("/faces", &two).status, 422);
}

#[test]
fn a_full_queue_goes_on_once_the_operator_lets_the_oldest_go() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    file.write("[queue]\non_full = \"expire_oldest\"\nreplay_window = \"1h\"\n[normalize]\ndedupe_window = \"0s\"\n");
    taken(&gateway);

    // Nothing is a duplicate any more.
    let body = event("1", json!(1), "gate");
    (0..3).for_each(|_| gateway.take("/RealTimeEvent", &body));
    let accepted = [("outcome", "accepted")];
    assert_eq!(gateway.sum("boxbridge_ingest_events_total", &accepted), 3.0);
}

#[test]
fn room_for_kept_bodies_is_what_the_settings_say_now() {
    let file = File::new("[ingest.quarantine]\nmax_bytes = 0\n");
    let gateway = file.gateway(&[NOWHERE]);
    let kept = || {
        std::fs::read_dir(gateway.data_dir().join("quarantine"))
            .unwrap()
            .count()
    };
    gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    assert_eq!(kept(), 0);

    file.write("[ingest.quarantine]\nmax_bytes = \"1MiB\"\n");
    taken(&gateway);
    gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    assert_eq!(kept(), 1);
    assert_eq!(
        gateway.sum("boxbridge_ingest_quarantine_max_bytes", &[]),
        f64::from(1 << 20)
    );
}

#[test]
fn a_full_folder_of_pictures_takes_more_once_it_may() {
    let file = File::new("[send.store]\nmax_bytes = \"1MiB\"\n");
    let gateway = file.gateway(&[NOWHERE]);
    let store = |seed: u64| {
        let mut body = event(&seed.to_string(), json!(1), "gate");
        body["ext_data"]["spot_pic"] = base64(&jpeg(seed, 700_000));
        gateway.take("/RealTimeEvent", &body);
        wait_until("the store has answered", || {
            gateway.ledger("store").waiting == 0
        });
        gateway.ledger("store")
    };
    assert_eq!((store(1).delivered, store(2).expired), (1, 1));

    file.write("[send.store]\nmax_bytes = \"8MiB\"\n");
    taken(&gateway);
    assert_eq!(store(3).delivered, 2);
}

#[test]
fn the_level_of_the_log_changes_while_it_runs() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    let of_debug = || gateway.log().matches("\"level\":\"DEBUG\"").count();
    assert_eq!(of_debug(), 0);

    file.write("[log]\nlevel = \"debug\"\n");
    taken(&gateway);
    wait_until("it says more", || {
        let _ = gateway.raw(b"no request\r\n\r\n");
        of_debug() > 0
    });

    file.write("[log]\nlevel = \"error\"\n");
    gateway.signal("HUP");
    wait_until("it says less", || super::generation(&gateway) == 3.0);
    let said = of_debug();
    let _ = gateway.raw(b"no request\r\n\r\n");
    assert_eq!(of_debug(), said);
}
