//! Sessions: a token is shown once, and then a cookie stands for it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{TOKEN, ask, audited, gateway, with_token};
use crate::parts::child::PATIENCE;
use crate::parts::gateway::{Answer, Gateway};
use crate::parts::site::wait_until;

fn log_in(gateway: &Gateway, token: &str, head: &str) -> Answer {
    let head = format!("Host: gate{head}");
    let body = json!({ "token": token }).to_string();
    ask(gateway, "POST", "/api/login", &head, &body)
}

/// `name=value` of the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let lines = answer.head.lines();
    let mut set = lines.filter_map(|line| line.strip_prefix("set-cookie: "));
    set.next().unwrap().split(';').next().unwrap().to_owned()
}

fn status(gateway: &Gateway, cookie: &str) -> (u16, String) {
    let head = format!("Host: gate\r\nCookie: {cookie}");
    let answer = ask(gateway, "GET", "/api/status", &head, "");
    let code = answer.body["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

const LET_IN: (u16, &str) = (200, "");
const NOT_LET_IN: (u16, &str) = (401, "token_missing");

fn is(judged: &(u16, String), expected: (u16, &str)) -> bool {
    (judged.0, judged.1.as_str()) == expected
}

#[test]
fn a_session_opens_what_its_token_opens_until_somebody_logs_out() {
    let (mut gateway, _folder) = with_token();
    let answer = log_in(&gateway, TOKEN, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = cookie(&answer);
    assert!(is(&status(&gateway, &session), LET_IN));
    assert!(!session.contains(TOKEN) && !gateway.log().contains("canary"));

    let head = format!("Host: gate\r\nCookie: {session}");
    ask(&gateway, "DELETE", "/api/jobs/none", &head, "");
    let who = audited(&gateway)[0]["who"].as_str().unwrap().to_owned();
    assert!(
        who.starts_with("token:"),
        "the audit log names its token: {who}"
    );

    gateway.kill_and_restart();
    assert!(
        is(&status(&gateway, &session), LET_IN),
        "a wall goes on after a restart"
    );

    let answer = ask(&gateway, "POST", "/api/logout", &head, "");
    assert!(
        answer
            .head
            .contains("boxbridge_session=; Path=/api; Max-Age=0;")
    );
    assert!(is(&status(&gateway, &session), NOT_LET_IN));
    let other = cookie(&log_in(&gateway, TOKEN, ""));
    assert!(
        is(&status(&gateway, &other), LET_IN),
        "the other one is a session of its own"
    );
}

#[test]
fn a_session_is_gone_with_its_token_and_what_it_listens_to_ends() {
    let (gateway, folder) = with_token();
    let session = cookie(&log_in(&gateway, TOKEN, ""));
    let mut stream = TcpStream::connect(gateway.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /api/events/live HTTP/1.1\r\nHost: gate\r\nCookie: {session}\r\n\r\n"
    )
    .unwrap();
    let mut listening = BufReader::new(stream);
    let mut first = String::new();
    listening.read_line(&mut first).unwrap();
    assert!(first.contains("200"), "{first}");

    std::fs::write(folder.path().join("tokens"), "another-token-of-somebody\n").unwrap();
    wait_until("the token is taken away", || {
        is(&status(&gateway, &session), NOT_LET_IN)
    });
    // The last chunk of an answer: one that goes on would make the read time out.
    let mut lines = listening.lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "0"));
}

#[test]
fn wrong_tokens_at_the_login_are_counted_as_everywhere_and_a_session_goes_on() {
    let (gateway, _folder) = with_token();
    let session = cookie(&log_in(&gateway, TOKEN, ""));
    for guess in 0..10 {
        let answer = log_in(&gateway, &format!("guess-{guess}"), "");
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (401, &json!("token_wrong"))
        );
    }
    let answer = log_in(&gateway, TOKEN, "");
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (429, &json!("too_many_failures"))
    );
    assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
    assert!(
        is(&status(&gateway, &session), LET_IN),
        "a session is no guess"
    );
}

#[test]
fn no_page_of_another_site_logs_anybody_in_or_out() {
    let (gateway, _folder) = with_token();
    for path in ["/api/login", "/api/logout"] {
        let body = json!({ "token": TOKEN }).to_string();
        let answer = ask(
            &gateway,
            "POST",
            path,
            "Host: gate\r\nOrigin: http://evil.example",
            &body,
        );
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("foreign_origin"))
        );
    }
    let ours = log_in(&gateway, TOKEN, "\r\nOrigin: https://gate");
    let set = ours
        .head
        .lines()
        .find(|line| line.starts_with("set-cookie"))
        .unwrap();
    for part in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Secure",
        "; Max-Age=43200",
    ] {
        assert!(set.contains(part), "{set}");
    }
}

#[test]
fn where_there_are_no_tokens_nobody_logs_in_and_nobody_elsewhere_is_told_so() {
    let gateway = gateway(&[]);
    let here = format!("Host: {}", gateway.admin);
    let body = json!({ "token": TOKEN }).to_string();
    let answer = ask(&gateway, "POST", "/api/login", &here, &body);
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (409, &json!("no_tokens"))
    );
    let answer = log_in(&gateway, TOKEN, "");
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (403, &json!("not_local"))
    );
}
