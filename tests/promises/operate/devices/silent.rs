//! A device that stops sending: the gauge, the reason, the message, and that it comes back.

use serde_json::json;

use super::{at, count, event, reasons, report, row, status, without_times};
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

/// Long enough for a slow machine to see it online.
const SILENT_AFTER: (&str, &str) = ("INGEST__DEVICES__SILENT_AFTER", "20s");

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_stops_is_a_gauge_a_reason_and_a_message_until_it_comes_back() {
    let mosquitto = Mosquitto::start();
    let url = at(&mosquitto);
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url), SILENT_AFTER]);
    let topic = "boxbridge/default/devices/192.168.1.243/status";
    let mut screen = Subscriber::start(mosquitto.address(), topic).await;

    gateway.take("/DeviceStatus", &report("192.168.1.243", "online"));
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.250"));
    let online = screen.receive_one().await;
    assert_eq!(
        without_times(&online),
        status("192.168.1.243", "online", "L-1")
    );

    let silent = screen.receive_one().await;
    assert_eq!(
        without_times(&silent),
        status("192.168.1.243", "silent", "L-1")
    );
    // Box, camera of the report, and the camera that only sent.
    wait_until("all are silent", || count(&gateway, "silent") == 3.0);
    let said = reasons(&gateway);
    assert!(
        said.contains("3 devices are silent: ")
            && said.contains("default/192.168.1.243, last seen "),
        "{said}"
    );
    let (said, code) = gateway.run(&["devices", "--silent"]);
    assert!(
        code == Some(0) && said.lines().count() == 4 && said.contains("192.168.1.250"),
        "{said}"
    );

    gateway.take("/RealTimeEvent", &event("2", json!(1), "192.168.1.243"));
    let back = screen.receive_one().await;
    assert_eq!(
        without_times(&back),
        status("192.168.1.243", "online", "L-1")
    );
    assert_eq!(row(&gateway, "192.168.1.243")["status"], "online");
    assert!(reasons(&gateway).contains("2 devices are silent"));
}

#[test]
fn where_it_is_switched_off_nobody_is_silent() {
    let off = ("INGEST__DEVICES__SILENT_AFTER", "0s");
    let gateway = Gateway::start(&[super::NOWHERE, off]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.250"));
    // Two looks of the gateway's upkeep, at the least.
    std::thread::sleep(std::time::Duration::from_secs(11));
    assert_eq!(
        (count(&gateway, "silent"), count(&gateway, "online")),
        (0.0, 1.0)
    );
}
