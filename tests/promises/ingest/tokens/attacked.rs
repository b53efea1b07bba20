//! What somebody on the camera network tries without a token, or with less than one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{Tokens, judged, newest, post, sample};
use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};

#[test]
fn nothing_that_is_not_the_whole_token_opens_and_all_are_told_the_same() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let other = tokens.make(&["gate-4", "--site", "other"]);
    let gateway = tokens.gateway(&[]);
    let wrong = (401, "token_wrong".to_owned());
    let missing = (401, "token_missing".to_owned());

    let half = &token[..token.len() / 2];
    let line = std::fs::read_to_string(tokens.file()).unwrap();
    let hash = line.split("\"sha256\":\"").nth(1).unwrap()[..64].to_owned();
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (target, head, expected) in [
        ("/RealTimeEvent".to_owned(), String::new(), &missing),
        ("/t//RealTimeEvent".to_owned(), String::new(), &missing),
        ("/t/RealTimeEvent".to_owned(), String::new(), &missing),
        ("/RealTimeEvent?token=".to_owned(), String::new(), &missing),
        (
            format!("/RealTimeEvent?TOKEN={token}"),
            String::new(),
            &missing,
        ),
        (format!("/{token}/RealTimeEvent"), String::new(), &missing),
        (
            "/RealTimeEvent".to_owned(),
            format!("Authorization: Basic {token}\r\n"),
            &missing,
        ),
        (
            "/RealTimeEvent".to_owned(),
            format!("Cookie: token={token}\r\n"),
            &missing,
        ),
        (format!("/t/{half}/RealTimeEvent"), String::new(), &wrong),
        (format!("/t/{token}0/RealTimeEvent"), String::new(), &wrong),
        (
            format!("/t/{token}%00/RealTimeEvent"),
            String::new(),
            &wrong,
        ),
        (
            format!("/t/%20{token}/RealTimeEvent"),
            String::new(),
            &wrong,
        ),
        (
            format!("/t/{}/RealTimeEvent", token.to_uppercase() + "A"),
            String::new(),
            &wrong,
        ),
        (format!("/t/{hash}/RealTimeEvent"), String::new(), &wrong),
        (
            format!("/t/../t/{token}/RealTimeEvent"),
            String::new(),
            &wrong,
        ),
        (
            format!("/t/gate-3/RealTimeEvent?token={token}"),
            String::new(),
            &wrong,
        ),
        (
            format!("/t/{token}/RealTimeEvent?token={other}"),
            String::new(),
            &wrong,
        ),
        (format!("/t/{token}/RealTimeEvent"), bearer(&other), &wrong),
        (
            "/RealTimeEvent".to_owned(),
            bearer(&token) + &bearer(&other),
            &wrong,
        ),
        (
            format!("/RealTimeEvent?token={token}&token={other}"),
            String::new(),
            &wrong,
        ),
        (
            format!("/t/{}/RealTimeEvent", "a".repeat(7_000)),
            String::new(),
            &wrong,
        ),
        (
            "/RealTimeEvent".to_owned(),
            bearer(&"a".repeat(20_000)),
            &wrong,
        ),
    ] {
        let found = judged(&gateway, &target, &head);
        assert_eq!(found, *expected, "{target:.80} {head:.80}");
    }
    // The last ones were many: whatever is shown, the right token opens.
    assert_eq!(
        judged(&gateway, &format!("/t/{token}/RealTimeEvent"), "").0,
        200
    );
}

#[test]
fn no_other_method_and_no_broken_request_says_more_to_a_stranger() {
    let tokens = Tokens::new();
    let gateway = tokens.gateway(&[]);
    for request in [
        "PUT /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        "OPTIONS /RealTimeEvent HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /t/RealTimeEvent HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\nContent-Length: 2\r\n\r\n{}",
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n",
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n",
    ] {
        let answer = gateway.raw(request.as_bytes()).expect("an answer");
        let found = (answer.status, &answer.body["code"]);
        assert_eq!(found, (401, &json!("token_missing")), "{request}");
    }
}

#[test]
fn a_token_of_one_site_sends_nothing_in_the_name_of_another() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3", "--site", "lobby"]);
    let gateway = tokens.gateway(&[]);
    let target = format!("/t/{token}/RealTimeEvent?site=vault");
    assert_eq!(post(&gateway, &target, "", &sample()).status, 200);
    assert_eq!(newest(&gateway)["origin"]["site"], "lobby");
}

#[test]
fn who_is_refused_again_and_again_is_told_to_wait_and_a_good_token_from_there_still_opens() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let mut refused = 0;
    let last = loop {
        refused += 1;
        let found = judged(&gateway, &format!("/t/guess-{refused}/RealTimeEvent"), "");
        if found.0 != 401 || refused > 1_000 {
            break found;
        }
    };
    assert_eq!(last, (429, "too_many_failures".to_owned()));
    assert!(
        refused > 10,
        "a site's boxes with an old token are told why: {refused}"
    );
    assert_eq!(
        judged(&gateway, &format!("/t/{token}/RealTimeEvent"), "").0,
        200
    );
}

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
const GUESSES: u32 = 10_000;
const AT_ONCE: u32 = 16;

/// One request over a connection of its own; its status.
async fn ask(from: Ipv4Addr, gateway: &Gateway, request: &str) -> Option<u16> {
    let exchange = async {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind((from, 0).into()).ok()?;
        let mut stream = socket.connect(gateway.ingest).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok()?
}

fn request(token: &str, number: u32) -> String {
    let body = event(&number.to_string(), json!(1), "192.168.1.243").to_string();
    let length = body.len();
    format!(
        "POST /t/{token}/RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Ten thousand wrong tokens of one source; of the other's events none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wrong_tokens_of_one_source_cost_another_box_nothing() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = Arc::new(tokens.gateway(&[]));
    let guessed = Arc::new(AtomicU32::new(0));
    let strangers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (gateway, guessed) = (Arc::clone(&gateway), Arc::clone(&guessed));
            tokio::spawn(async move {
                let mut opened = 0;
                loop {
                    let number = guessed.fetch_add(1, Ordering::Relaxed);
                    if number >= GUESSES {
                        break opened;
                    }
                    let request = request(&format!("{number:032x}"), 0);
                    let answer = ask(STRANGER, &gateway, &request).await;
                    opened += u32::from(answer == Some(200));
                }
            })
        })
        .collect();

    let (mut sent, mut late) = (0, 0);
    while guessed.load(Ordering::Relaxed) < GUESSES {
        sent += 1;
        let begin = Instant::now();
        let answer = ask(Ipv4Addr::LOCALHOST, &gateway, &request(&token, sent)).await;
        assert_eq!(answer, Some(200), "event {sent}");
        late += u32::from(begin.elapsed() > Duration::from_millis(500));
    }
    for stranger in strangers {
        assert_eq!(stranger.await.unwrap(), 0, "a guess opened");
    }
    println!("{sent} events beside {GUESSES} guesses, {late} answered after 500 ms");
    assert!(sent > 0);

    let accepted = gateway.sum("boxbridge_ingest_events_total", &[("outcome", "accepted")]);
    assert_eq!(accepted, f64::from(sent));
    let lines = gateway.log().matches("\"refused\"").count();
    assert!(lines <= 3, "{lines} lines of {GUESSES} refusals");
}
