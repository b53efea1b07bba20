//! The table: what traffic tells, what outlives the process, and the command that shows it.

use serde_json::{Value, json};

use super::{NOWHERE, count, devices, event, reasons, report, row};
use crate::parts::gateway::Gateway;

#[test]
fn traffic_tells_who_sends_how_much_and_what_is_wrong_with_it() {
    let gateway = Gateway::start(&[NOWHERE]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.243"));
    gateway.take(
        "/RealTimeEvent?site=lobby&box=L-7",
        &event("2", json!(5), "192.168.1.244"),
    );
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", b"{nonsense").status,
        400
    );

    let first = row(&gateway, "192.168.1.243");
    for (member, expected) in [
        ("site", json!("default")),
        ("status", json!("online")),
        ("type", json!("gate")),
        ("box", json!(null)),
        ("peer", json!("127.0.0.1")),
        ("dialect", json!("nested")),
        ("events_per_hour", json!(1)),
        ("missing_pictures_per_hour", json!(1)),
        ("reported", json!(false)),
    ] {
        assert_eq!(first[member], expected, "{member}: {first}");
    }
    assert!(
        first["clock_skew_ms"].as_i64().unwrap() > 1_000_000_000,
        "the sample is of 2019"
    );
    assert_eq!(first["warnings"], json!(["clock_skewed"]));

    let second = row(&gateway, "192.168.1.244");
    assert_eq!(
        (&second["site"], &second["box"]),
        (&json!("lobby"), &json!("L-7"))
    );
    let sender = row(&gateway, "127.0.0.1");
    assert_eq!(
        (&sender["refusals_per_hour"], &sender["events_per_hour"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (count(&gateway, "online"), count(&gateway, "silent")),
        (2.0, 0.0)
    );

    // No device is a label where no inventory names it.
    let metrics = gateway.metrics();
    assert!(!metrics.keys().any(|series| series.contains("192.168.1.24")));
}

#[test]
fn a_restart_keeps_the_table_and_makes_nobody_silent() {
    let silent_after = ("INGEST__DEVICES__SILENT_AFTER", "1h");
    let mut gateway = Gateway::start(&[NOWHERE, silent_after]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.243"));
    gateway.take("/DeviceStatus", &report("192.168.1.244", "offline"));
    let before = [
        row(&gateway, "192.168.1.243"),
        row(&gateway, "192.168.1.244"),
    ];
    assert_eq!(gateway.stop(), Some(0));

    let (said, code) = gateway.run(&["devices", "192.168.1.24"]);
    assert!(
        code == Some(0) && said.contains("the gateway is stopped: this is what it knew at"),
        "{said}"
    );
    assert!(
        said.contains("192.168.1.243") && said.contains("东门"),
        "{said}"
    );

    gateway.restart();
    for row_before in before {
        let after = row(&gateway, row_before["device"].as_str().unwrap());
        for member in [
            "status",
            "since",
            "last_seen",
            "name",
            "box",
            "peer",
            "firmware",
            "dialect",
        ] {
            assert_eq!(after[member], row_before[member], "{member}");
        }
    }
    assert_eq!(count(&gateway, "silent"), 0.0);
    assert!(!reasons(&gateway).contains("silent"));
}

#[test]
fn a_damaged_file_is_said_and_begun_anew() {
    let mut gateway = Gateway::start(&[NOWHERE]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "192.168.1.243"));
    assert_eq!(gateway.stop(), Some(0));
    std::fs::write(gateway.data_dir().join("devices"), "{\"saved_at\":").unwrap();

    gateway.restart();
    assert!(
        gateway
            .log()
            .contains("what was known of devices cannot be read: it begins anew")
    );
    assert_eq!(devices(&gateway, "")["total"], 0);
    gateway.take("/RealTimeEvent", &event("2", json!(1), "192.168.1.244"));
    assert_eq!(devices(&gateway, "")["total"], 1);
}

#[test]
fn the_command_and_the_api_show_the_same_rows_page_by_page() {
    let gateway = Gateway::start(&[NOWHERE]);
    for number in 0..5 {
        gateway.take(
            "/RealTimeEvent",
            &event("1", json!(1), &format!("10.0.0.{number}")),
        );
    }
    gateway.take(
        "/RealTimeEvent?site=lobby",
        &event("1", json!(1), "10.0.0.0"),
    );

    let first = devices(&gateway, "?limit=4");
    assert_eq!((&first["total"], &first["next"]), (&json!(6), &json!(4)));
    let rest = devices(&gateway, "?limit=4&from=4");
    assert_eq!(
        (rest["devices"].as_array().unwrap().len(), &rest["next"]),
        (2, &json!(null))
    );

    let (said, code) = gateway.run(&["devices", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((code, said), (Some(0), devices(&gateway, "")));
    let (said, code) = gateway.run(&["devices", "--site", "lobby"]);
    assert!(
        code == Some(0) && said.lines().count() == 2 && said.contains("lobby"),
        "{said}"
    );
    let (said, _) = gateway.run(&["devices", "--limit", "2"]);
    assert!(said.contains("and 4 more: --limit 6"), "{said}");

    for (asked, answer) in [
        ("--silent", "no device is silent"),
        ("no such thing", "no device is like that"),
    ] {
        let (said, code) = gateway.run(&["devices", asked]);
        assert!(code == Some(1) && said.contains(answer), "{said}");
    }
    let (said, code) = gateway.run(&["devices", "--status", "asleep"]);
    assert!(
        code == Some(64) && said.contains("must be one of online offline silent"),
        "{said}"
    );
}

#[test]
fn a_report_is_taken_whatever_it_says() {
    let gateway = Gateway::start(&[NOWHERE]);
    let form = "gateway_ip=1";
    let head = format!(
        "POST /DeviceStatus HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(gateway.raw(head.as_bytes()).unwrap().status, 200);
    for body in [
        "",
        "{nonsense",
        "[[[]]]",
        "{\"identity_id\":\"1\"}",
        "\u{0}",
    ] {
        let answer = gateway.post_bytes("/SophonFogStatus", body.as_bytes());
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (200, &json!(0)),
            "{body}"
        );
    }

    let labels = [("feed", "status"), ("outcome", "accepted")];
    assert_eq!(gateway.sum("boxbridge_ingest_events_total", &labels), 6.0);
    let unread = gateway.sum("boxbridge_normalize_status_reports_unread_total", &[]);
    assert_eq!(unread, 6.0);
    let said = gateway.log();
    assert_eq!(
        said.matches("a status report was not understood").count(),
        1,
        "{said}"
    );
    assert_eq!(devices(&gateway, "")["total"], 0);
}
