//! The inventory: it names devices, its bad lines are said at once, and what it names no more is cleared.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{NOWHERE, at, event, row, without_times};
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

fn written(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("inventory.csv");
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_device_of_the_inventory_has_its_name_and_is_missed_if_it_never_comes() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}ip,name,door,site,expected\r\n192.168.1.243,东门,Gate 1,,yes\r\n192.168.1.244,Never,,lobby,\r\n192.168.1.245,Spare,,,no\r\n";
    let file = written(folder.path(), text).display().to_string();
    let settings = [
        NOWHERE,
        ("INGEST__DEVICES__FILE", &*file),
        ("INGEST__DEVICES__SILENT_AFTER", "1s"),
    ];
    let gateway = Gateway::start(&settings);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.243"));
    let named = row(&gateway, "192.168.1.243");
    assert_eq!(
        (&named["name"], &named["door"], &named["expected"]),
        (&json!("东门"), &json!("Gate 1"), &json!(true))
    );

    wait_until("it is missed", || {
        row(&gateway, "192.168.1.244")["status"] == "silent"
    });
    let silent = |site: &str, device: &str| {
        let labels = [("site", site), ("device", device)];
        gateway.sum("boxbridge_ingest_device_silent", &labels)
    };
    assert_eq!(
        (
            silent("lobby", "192.168.1.244"),
            silent("default", "192.168.1.245")
        ),
        (1.0, 0.0)
    );
    assert_eq!(row(&gateway, "192.168.1.245")["status"], "offline");
}

#[test]
fn bad_lines_are_all_said_with_their_numbers_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let text =
        "ip,name,door,site,expected\n192.168.1.2433,,,,\n10.0.0.1,,,Lobby,\n10.0.0.2,,,,perhaps\n";
    let file = written(folder.path(), text);
    let gateway = Gateway::start(&[NOWHERE]);
    let set = format!("ingest.devices.file={}", file.display());
    let (said, code) = gateway.run(&["check", "--set", &set]);
    assert_eq!(code, Some(64), "{said}");
    for problem in [
        "line 2: ip \"192.168.1.2433\": must be an address",
        "line 3: site \"Lobby\": must be 1 to 32 of a-z 0-9 -",
        "line 4: expected \"perhaps\": must be yes, no or empty",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    let (said, code) = gateway.run(&["check", "--set", "ingest.devices.file=/nowhere.csv"]);
    assert!(
        code == Some(64) && said.contains("/nowhere.csv\": cannot read it"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_leaves_the_inventory_is_cleared() {
    let (mosquitto, folder) = (Mosquitto::start(), tempfile::tempdir().unwrap());
    let file = written(
        folder.path(),
        "ip,name\n192.168.1.243,East\n192.168.1.244,West\n",
    );
    let (url, path) = (at(&mosquitto), file.display().to_string());
    let mut gateway =
        Gateway::start(&[("SEND__MQTT__URL", &url), ("INGEST__DEVICES__FILE", &path)]);
    let topic = "boxbridge/default/devices/192.168.1.243/status";
    let mut screen = Subscriber::start(mosquitto.address(), topic).await;
    assert_eq!(
        without_times(&screen.receive_one().await)["status"],
        "offline"
    );

    assert_eq!(gateway.stop(), Some(0));
    written(folder.path(), "ip,name\n192.168.1.244,West\n");
    gateway.restart();
    assert_eq!(without_times(&screen.receive_one().await), json!(null));
    assert_eq!(row(&gateway, "192.168.1.243"), json!(null));
}

#[test]
fn a_changed_inventory_holds_without_a_restart_and_a_bad_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "ip,name\n192.168.1.243,East\n");
    let path = file.display().to_string();
    let gateway = Gateway::start(&[NOWHERE, ("INGEST__DEVICES__FILE", &path)]);
    let name = |device: &str| row(&gateway, device)["name"].clone();
    assert_eq!(name("192.168.1.243"), "East");

    written(
        folder.path(),
        "ip,name\n192.168.1.243,West\n192.168.1.244,North\n",
    );
    let (said, code) = gateway.run(&["reload"]);
    assert!(
        code == Some(0) && said.contains("ingest.devices.file"),
        "{said}"
    );
    assert_eq!(
        (name("192.168.1.243"), name("192.168.1.244")),
        (json!("West"), json!("North"))
    );

    written(folder.path(), "ip,name\nnowhere,East\n");
    let (said, code) = gateway.run(&["reload"]);
    assert!(
        code == Some(64) && said.contains("line 2: ip \"nowhere\""),
        "{said}"
    );
    assert_eq!(name("192.168.1.243"), "West", "the one before holds");
}
