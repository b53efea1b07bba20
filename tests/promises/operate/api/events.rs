//! `/api/events`, and the way of one: `/api/events/{id}` and `boxbridge trace`.

use serde_json::{Value, json};

use super::{gateway, local};
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;

const VIP: u64 = 5;

fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = local(gateway, "GET", path, &json!(null));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The identities of a page, in order.
fn identities(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap().iter();
    events
        .map(|event| event["identity"]["id"].as_str().unwrap())
        .collect()
}

/// Posts an event, and returns its id.
fn post(gateway: &Gateway, identity: &str, person_type: u64, device: &str) -> String {
    let answer = gateway.post(
        "/RealTimeEvent",
        &event(identity, json!(person_type), device),
    );
    answer.body["event_id"].as_str().unwrap().to_owned()
}

#[test]
fn events_are_shown_newest_first_a_page_at_a_time_as_consumers_get_them() {
    let gateway = gateway(&[]);
    for number in 0..5 {
        post(&gateway, &number.to_string(), 1 + number % 2, "gate");
    }
    let id = post(&gateway, "5", VIP, "大门 2");

    let all = get(&gateway, "/api/events");
    assert_eq!(identities(&all), ["5", "4", "3", "2", "1", "0"]);
    let newest = &all["events"][0];
    assert_eq!(
        (&newest["schema"], &newest["id"]),
        (&json!("boxbridge.match.v1"), &json!(id))
    );

    let page = get(&gateway, "/api/events?limit=4");
    assert_eq!(identities(&page), ["5", "4", "3", "2"]);
    let next = page["next"].as_u64().unwrap();
    let rest = get(&gateway, &format!("/api/events?limit=4&before={next}"));
    assert_eq!(
        (identities(&rest), &rest["next"]),
        (vec!["1", "0"], &json!(null))
    );

    assert_eq!(
        identities(&get(&gateway, "/api/events?person_type=visitor")),
        ["3", "1"]
    );
    assert_eq!(
        identities(&get(&gateway, "/api/events?device=%E5%A4%A7%E9%97%A8+2")),
        ["5"]
    );
    assert_eq!(
        identities(&get(&gateway, "/api/events?device=nobody")),
        [""; 0]
    );
}

#[test]
fn a_question_that_makes_no_sense_is_told_why() {
    let gateway = gateway(&[]);
    for (path, status, code, part) in [
        ("/api/events?limit=0", 400, "bad_limit", "from 1 to 1000"),
        ("/api/events?limit=1001", 400, "bad_limit", "from 1 to 1000"),
        (
            "/api/events?person_type=vips",
            400,
            "bad_query",
            "unknown variant `vips`",
        ),
        (
            "/api/events?persontype=vip",
            400,
            "bad_query",
            "unknown field `persontype`",
        ),
        ("/api/events?before=now", 400, "bad_query", "before"),
        (
            "/api/events/live?limit=5",
            400,
            "bad_query",
            "unknown field `limit`",
        ),
        ("/api/events/7", 400, "bad_id", "which is a UUID"),
        (
            "/api/events/5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c",
            404,
            "not_found",
            "it is empty",
        ),
    ] {
        let answer = local(&gateway, "GET", path, &json!(null));
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{path}"
        );
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains(part), "{path}: {message}");
    }
    post(&gateway, "1", VIP, "gate");
    let absent = "5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c";
    let answer = local(
        &gateway,
        "GET",
        &format!("/api/events/{absent}"),
        &json!(null),
    );
    assert!(
        answer.body["message"]
            .as_str()
            .unwrap()
            .contains("it reaches back to 20"),
        "{answer:?}"
    );
}

/// What became of an event at a destination.
fn way(gateway: &Gateway, id: &str, destination: &str) -> Value {
    let trace = get(gateway, &format!("/api/events/{id}"));
    let ways = trace["records"][0]["destinations"].as_array().unwrap();
    let of_it = ways.iter().find(|way| way["destination"] == destination);
    of_it.unwrap().clone()
}

#[test]
fn the_way_of_an_event_says_where_it_is_since_when_and_why_not() {
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    let delivered = post(&gateway, "1", VIP, "gate");
    gateway.wait_delivered();
    for destination in ["mqtt", "store"] {
        let way = way(&gateway, &delivered, destination);
        let at = way["at"].as_str().unwrap_or_default();
        assert!(way["state"] == "delivered" && at.starts_with("20"), "{way}");
    }

    mosquitto.stop();
    let waiting = post(&gateway, "2", VIP, "gate");
    let is_down = || {
        way(&gateway, &waiting, "mqtt")["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("mqtt is down: "))
    };
    wait_until("it is known why it waits", is_down);
    assert_eq!(way(&gateway, &waiting, "mqtt")["state"], "waiting");
    told_by_the_command(&gateway, &delivered, &waiting);

    mosquitto.run();
    gateway.wait_delivered();
    assert_eq!(way(&gateway, &waiting, "mqtt")["state"], "delivered");
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();
    let after = way(&gateway, &delivered, "mqtt");
    assert_eq!(
        (&after["state"], &after["at"]),
        (&json!("delivered"), &json!(null)),
        "{after}"
    );
}

#[test]
fn pictures_are_no_reason_to_wait_once_their_time_is_over() {
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", &url),
        ("SEND__STORE__URL", "s3://faces"),
        ("SEND__STORE__ENDPOINT", "http://127.0.0.1:9"),
        ("SEND__STORE__ACCESS_KEY_ID", "test"),
        ("SEND__STORE__SECRET_ACCESS_KEY", "test"),
        // Only the pictures could be a reason.
        ("SEND__STALL_TIMEOUT", "600s"),
        ("SEND__MQTT__KEEP_ALIVE", "600s"),
    ]);
    wait_until("mqtt is up", || {
        gateway.ready()["destinations"]["mqtt"] == "up"
    });

    // It takes bytes, and answers nothing.
    mosquitto.freeze();
    let mut with_picture = event("1", json!(VIP), "gate");
    with_picture["ext_data"]["spot_pic"] = json!("QUJDREVGRw==");
    let answer = gateway.post("/RealTimeEvent", &with_picture);
    let id = answer.body["event_id"].as_str().unwrap().to_owned();
    let says = |why: &str| way(&gateway, &id, "mqtt")["why"] == why;
    wait_until("picture_wait is over", || {
        says("it is on its way, or behind others")
    });
}

fn told_by_the_command(gateway: &Gateway, delivered: &str, waiting: &str) {
    let (said, code) = gateway.run(&["trace", delivered]);
    let parts = [
        "vip of gate, realtime feed, urgent lane",
        "accepted    20",
        "mqtt        delivered 20",
        " UTC to boxbridge/default/events/vip/gate",
        "store       delivered 20",
    ];
    assert!(
        code == Some(0) && parts.iter().all(|part| said.contains(part)),
        "{said}"
    );
    assert!(
        !said.contains("小明"),
        "who it was is not asked for: {said}"
    );
    let (said, code) = gateway.run(&["trace", waiting]);
    let waits = "mqtt        waiting for boxbridge/default/events/vip/gate: mqtt is down: ";
    assert!(code == Some(0) && said.contains(waits), "{said}");

    let (said, code) = gateway.run(&["trace", waiting, "--json"]);
    let trace: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &trace["id"]), (Some(0), &json!(waiting)));
    let (said, code) = gateway.run(&["trace", "5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c"]);
    assert!(
        code == Some(1) && said.contains("is in the replay window: it reaches back to 20"),
        "{said}"
    );
    let (said, code) = gateway.run(&["trace", "7"]);
    assert!(code == Some(64) && said.contains("EVENT_ID"), "{said}");
}

#[test]
fn the_way_of_an_event_is_read_from_the_directory_of_a_stopped_gateway() {
    let mut gateway = gateway(&[]);
    let id = post(&gateway, "1", VIP, "gate");
    wait_until("the store has it", || {
        gateway.ledger("store").delivered == 1
    });
    assert_eq!(gateway.stop(), Some(0));

    let (said, code) = gateway.run(&["trace", &id]);
    let parts = [
        "vip of gate, realtime feed, urgent lane",
        "accepted    20",
        "mqtt        waiting: the gateway is stopped",
        "store       delivered",
    ];
    assert!(
        code == Some(0) && parts.iter().all(|part| said.contains(part)),
        "{said}"
    );
    let (said, code) = gateway.run(&["trace", "5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c"]);
    assert!(
        code == Some(1) && said.contains("is in the replay window: it reaches back to 20"),
        "{said}"
    );
}

#[test]
fn what_leaves_now_of_a_stopped_gateway_says_that_it_is_stopped() {
    let mut gateway = gateway(&[]);
    assert_eq!(gateway.stop(), Some(0));
    let (said, code) = gateway.run(&["tap"]);
    assert!(
        code == Some(1) && said.contains("no gateway runs on "),
        "{said}"
    );
}
