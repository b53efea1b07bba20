//! A token that is taken away: it opens nothing within seconds, on no connection, whatever else is wrong with the settings.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::{Tokens, judged, post_over, sample};
use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::site::wait_until;

fn revoke(tokens: &Tokens, name: &str) {
    let (said, code) = tokens.run(&["revoke", name]);
    assert_eq!(code, Some(0), "{said}");
}

/// A test that asks so often is told to wait.
fn is_refused(status: u16) -> bool {
    matches!(status, 401 | 429)
}

fn wait_refused(gateway: &Gateway, target: &str) {
    wait_until("the token opens nothing", || {
        is_refused(judged(gateway, target, "").0)
    });
}

#[test]
fn a_revoked_token_opens_nothing_also_on_a_kept_connection_and_its_successor_does() {
    let tokens = Tokens::new();
    let old = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let kept = TcpStream::connect(gateway.ingest).unwrap();
    let target = |token: &str| format!("/t/{token}/RealTimeEvent");
    let over = || kept.try_clone().unwrap();
    assert_eq!(post_over(over(), &target(&old), "", &sample()).status, 200);

    // Both are good while boxes are told of the new one.
    let new = tokens.make(&["gate-3-next"]);
    wait_until("the new one opens", || {
        judged(&gateway, &target(&new), "").0 == 200
    });
    assert_eq!(post_over(over(), &target(&old), "", &sample()).status, 200);

    revoke(&tokens, "gate-3");
    wait_refused(&gateway, &target(&old));
    let refused = post_over(over(), &target(&old), "", &sample());
    assert!(is_refused(refused.status), "{refused:?}");
    assert!(refused.head.to_lowercase().contains("connection: close"));
    assert_eq!(judged(&gateway, &target(&new), "").0, 200);
}

#[test]
fn a_body_that_was_on_its_way_when_its_token_was_revoked_is_not_taken() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let target = format!("/t/{token}/RealTimeEvent");

    let body = event("canary", json!(1), "192.168.1.243").to_string();
    let (first, rest) = body.split_at(20);
    let mut stream = TcpStream::connect(gateway.ingest).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: box\r\nContent-Length: {length}\r\n\r\n{first}"
    )
    .unwrap();
    // It was let in: a second request on the same way shows that the first was read.
    assert_eq!(judged(&gateway, &target, "").0, 200);

    revoke(&tokens, "gate-3");
    wait_refused(&gateway, &target);
    let answer = exchange(stream, rest.as_bytes()).expect("an answer");
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (401, &json!("token_wrong"))
    );
    assert!(!super::newest(&gateway).to_string().contains("canary"));
}

#[test]
fn a_revoked_token_opens_nothing_whatever_keeps_other_settings_back() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let file = tokens.folder.path().join("boxbridge.toml");
    std::fs::write(&file, "").unwrap();
    let gateway = tokens.gateway(&[("CONFIG", file.to_str().unwrap())]);
    let target = format!("/t/{token}/RealTimeEvent");

    // A change that takes a restart holds everything back.
    std::fs::write(&file, "site = \"elsewhere\"\n").unwrap();
    let is_refused = || gateway.sum("boxbridge_config_reload_failed", &[]) == 1.0;
    wait_until("the settings are kept back", is_refused);
    assert_eq!(judged(&gateway, &target, "").0, 200);

    let new = tokens.make(&["new"]);
    let before = std::fs::read(tokens.file()).unwrap();
    revoke(&tokens, "gate-3");
    wait_refused(&gateway, &target);
    assert_eq!(
        judged(&gateway, &format!("/t/{new}/RealTimeEvent"), "").0,
        401,
        "nothing new comes meanwhile"
    );

    // What is put back opens again, once the settings are good.
    std::fs::write(tokens.file(), before).unwrap();
    std::fs::write(&file, "").unwrap();
    wait_until("it opens again", || judged(&gateway, &target, "").0 == 200);
}

#[test]
fn a_file_that_is_not_understood_takes_nothing_away_and_lets_nobody_new_in() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    std::fs::write(tokens.file(), "canary\n").unwrap();
    wait_until("it is refused", || {
        gateway.sum("boxbridge_config_reload_failed", &[]) == 1.0
    });

    let target = format!("/t/{token}/RealTimeEvent");
    assert_eq!(
        judged(&gateway, &target, "").0,
        200,
        "the tokens before hold"
    );
    let reasons = gateway.ready()["reasons"].to_string();
    assert!(reasons.contains("line 1: is no JSON object"), "{reasons}");
    assert!(!gateway.log().contains("canary"));
}
