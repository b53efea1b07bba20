//! A token that is shown, wherever it stands; and that none is needed where there is no file.

use serde_json::json;

use super::{Tokens, head_alone, judged, newest, post, sample};
use crate::parts::gateway::{Gateway, event};
use crate::parts::http;

#[test]
fn a_token_opens_in_the_path_the_query_and_the_header_and_its_site_is_the_events() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3", "--site", "lobby"]);
    let gateway = tokens.gateway(&[]);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (number, (target, head)) in [
        (format!("/t/{token}/RealTimeEvent"), ""),
        (format!("//T//{token}//realtimeevent/, "), ""),
        (
            format!("/t/%{:x}{}/RealTimeEvent", token.as_bytes()[0], &token[1..]),
            "",
        ),
        (format!("/RealTimeEvent?site=other&token={token}"), ""),
        ("/RealTimeEvent?site=other".to_owned(), bearer.as_str()),
        (format!("/t/{token}/RealTimeEvent?token={token}"), &bearer),
    ]
    .into_iter()
    .enumerate()
    {
        let body = event(&number.to_string(), json!(1), "192.168.1.243");
        let target = target.trim_end_matches(' ');
        let answer = post(&gateway, target, head, &body);
        assert_eq!(answer.status, 200, "{target} {head}: {answer:?}");

        let origin = &newest(&gateway)["origin"];
        assert_eq!(newest(&gateway)["identity"]["id"], number.to_string());
        assert_eq!(
            (&origin["site"], &origin["authenticated"]),
            (&json!("lobby"), &json!("token")),
            "{target}"
        );
    }
    assert_eq!(
        judged(&gateway, &format!("/t/{token}/HistoryEvent"), "").0,
        200
    );
    assert_eq!(
        judged(&gateway, &format!("/t/{token}/DeviceStatus"), "").0,
        200
    );
    assert_eq!(judged(&gateway, &format!("/t/{token}/nothing"), "").0, 404);
}

#[test]
fn without_a_token_the_answer_comes_before_a_byte_of_the_body() {
    let tokens = Tokens::new();
    tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    for target in [
        "/RealTimeEvent",
        "/HistoryEvent",
        "/DeviceStatus",
        "/nothing",
    ] {
        let answer = head_alone(&gateway, target).to_lowercase();
        assert!(answer.starts_with("http/1.1 401 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nwww-authenticate: bearer\r\n"),
            "{answer}"
        );
    }
    let kept = std::fs::read_dir(gateway.data_dir().join("quarantine"));
    assert_eq!(kept.map_or(0, |kept| kept.count()), 0);
    let refusals = gateway.sum(
        "boxbridge_ingest_refusals_total",
        &[("code", "token_missing")],
    );
    assert_eq!(refusals, 4.0);
}

#[test]
fn everybody_may_look_whether_a_gateway_is_there_and_a_technician_tries_a_token_so() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let get = |target: &str| http::get(gateway.ingest, target, &[]).status;
    assert_eq!(get("/RealTimeEvent"), 200);
    assert_eq!(get(&format!("/t/{token}/RealTimeEvent")), 200);
    assert_eq!(get(&format!("/RealTimeEvent?token={token}")), 200);
    assert_eq!(get("/t/another/RealTimeEvent"), 401);
    assert_eq!(get("/nothing"), 401, "what is not there is told to nobody");
    assert_eq!(get(&format!("/t/{token}/nothing")), 404);
}

#[test]
fn where_there_are_no_tokens_anyone_may_send_and_that_is_said() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let answer = gateway.post("/t/whatever/RealTimeEvent", &sample());
    assert_eq!(
        answer.status, 200,
        "the token is ignored, the path is taken"
    );
    assert_eq!(gateway.post("/t/RealTimeEvent", &sample()).status, 200);
    assert_eq!(newest(&gateway)["origin"]["authenticated"], "none");

    let said = format!("anyone who reaches {} may post events", gateway.ingest);
    assert_eq!(gateway.log().matches(&said).count(), 1, "{}", gateway.log());
    assert!(gateway.ready()["notes"].to_string().contains(&said));
    assert!(gateway.run(&["check"]).0.contains(&said));
}

#[test]
fn an_empty_file_lets_nobody_in_and_that_is_said() {
    let tokens = Tokens::new();
    let gateway = tokens.gateway(&[]);
    assert_eq!(judged(&gateway, "/RealTimeEvent", "").0, 401);
    let notes = gateway.ready()["notes"].to_string();
    assert!(notes.contains("holds no token: no box can send"), "{notes}");
    assert!(!notes.contains("may post events"), "{notes}");
}
