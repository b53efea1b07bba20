//! What somebody on the camera network tries without a token, or with less than one.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{Tokens, judged, newest, post, sample};
use crate::ingest::{half_heads, stranger};
use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn all_are(gateway: &Gateway, code: &str, requests: &[(String, String)]) {
    for (target, head) in requests {
        let found = judged(gateway, target, head);
        assert_eq!(found, (401, code.to_owned()), "{target:.80} {head:.80}");
    }
}

#[test]
fn a_token_in_no_place_for_one_is_none() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let requests = [
        ("/RealTimeEvent".to_owned(), String::new()),
        ("/t//RealTimeEvent".to_owned(), String::new()),
        ("/t/RealTimeEvent".to_owned(), String::new()),
        ("/RealTimeEvent?token=".to_owned(), String::new()),
        (format!("/RealTimeEvent?TOKEN={token}"), String::new()),
        (format!("/{token}/RealTimeEvent"), String::new()),
        (
            "/RealTimeEvent".to_owned(),
            format!("Authorization: Basic {token}\r\n"),
        ),
        (
            "/RealTimeEvent".to_owned(),
            format!("Cookie: token={token}\r\n"),
        ),
    ];
    all_are(&gateway, "token_missing", &requests);
}

#[test]
fn nothing_that_is_not_the_whole_token_opens() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let line = std::fs::read_to_string(tokens.file()).unwrap();
    let hash = line.split("\"sha256\":\"").nth(1).unwrap()[..64].to_owned();

    let in_path = [
        token[..token.len() / 2].to_owned(),
        format!("{token}0"),
        format!("{token}%00"),
        format!("%20{token}"),
        token.to_uppercase() + "A",
        hash,
        "..".to_owned(),
        "a".repeat(7_000),
    ];
    let in_path = in_path.map(|it| (format!("/t/{it}/RealTimeEvent"), String::new()));
    all_are(&gateway, "token_wrong", &in_path);
    let long = bearer(&"a".repeat(20_000));
    all_are(
        &gateway,
        "token_wrong",
        &[("/RealTimeEvent".to_owned(), long)],
    );
    assert_eq!(
        judged(&gateway, &format!("/t/{token}/RealTimeEvent"), "").0,
        200
    );
}

#[test]
fn two_tokens_that_differ_open_nothing_also_where_both_are_good() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let other = tokens.make(&["gate-4", "--site", "other"]);
    let gateway = tokens.gateway(&[]);
    let in_path = |more: &str| format!("/t/{token}/RealTimeEvent{more}");
    let requests = [
        (in_path(&format!("?token={other}")), String::new()),
        (in_path("?token=gate-3"), String::new()),
        (in_path(""), bearer(&other)),
        (
            "/RealTimeEvent".to_owned(),
            bearer(&token) + &bearer(&other),
        ),
        (
            format!("/RealTimeEvent?token={token}&token={other}"),
            String::new(),
        ),
    ];
    all_are(&gateway, "token_wrong", &requests);
    assert_eq!(judged(&gateway, &in_path(""), &bearer(&token)).0, 200);
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
/// Addresses that have a line each.
const TOLD_APART: u32 = 1024;

/// One request over a connection of its own; its status.
pub(super) async fn ask(from: Ipv4Addr, gateway: &Gateway, request: &str) -> Option<u16> {
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

/// A wrong token from each of many addresses.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_beyond_a_thousand_share_a_line_and_a_count_and_a_good_token_there_opens() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let addresses = |from: u32, to: u32| (from..to).map(|it| Ipv4Addr::from(0x7f03_0000 + it));
    let guess = request("a-guess", 0);

    for address in addresses(0, TOLD_APART) {
        assert_eq!(ask(address, &gateway, &guess).await, Some(401));
    }
    let mut told_why = 0;
    for address in addresses(TOLD_APART, TOLD_APART + 100) {
        let answer = ask(address, &gateway, &guess).await;
        assert!(matches!(answer, Some(401 | 429)), "{answer:?}");
        told_why += u32::from(answer == Some(401));
    }
    assert!(
        (1..100).contains(&told_why),
        "{told_why} of 100 were told why"
    );

    for address in addresses(TOLD_APART + 90, TOLD_APART + 110) {
        let answer = ask(address, &gateway, &request(&token, address.into())).await;
        assert_eq!(answer, Some(200), "a box behind {address}");
    }
    let log = gateway.log();
    let lines = log.lines().filter(|line| line.contains("\"refused\""));
    let shared = lines.clone().filter(|line| line.contains("\"addresses\""));
    assert_eq!((lines.count() as u32, shared.count()), (TOLD_APART + 1, 1));
}

fn connections(gateway: &Gateway) -> f64 {
    gateway.sum("boxbridge_ingest_connections", &[])
}

/// With an address for each connection: no share of its own is ever used up.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_many_addresses_keeps_no_box_out_that_has_sent_before() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    // A head that does not end holds its place for as long as it may.
    let gateway = tokens.gateway(&[
        ("INGEST__CONNECTIONS_MAX", "64"),
        ("INGEST__HEADER_TIMEOUT", "1h"),
    ]);
    let own = Ipv4Addr::LOCALHOST;
    assert_eq!(ask(own, &gateway, &request(&token, 1)).await, Some(200));

    let _strangers = half_heads((1..=120).map(stranger), gateway.ingest).await;
    wait_until("they have all places that strangers can have", || {
        connections(&gateway) >= 60.0
    });
    for number in 2..12 {
        assert_eq!(
            ask(own, &gateway, &request(&token, number)).await,
            Some(200)
        );
    }
    // Those who wait behind them take the places of the eldest heads, and no more.
    assert!(connections(&gateway) <= 60.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_many_addresses_keeps_no_box_out_that_has_sent_before_a_restart() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let mut gateway = tokens.gateway(&[
        ("INGEST__CONNECTIONS_MAX", "64"),
        ("INGEST__HEADER_TIMEOUT", "1h"),
    ]);
    let own = Ipv4Addr::LOCALHOST;
    assert_eq!(ask(own, &gateway, &request(&token, 1)).await, Some(200));
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();

    // All places that strangers can have, and none who waits for one.
    let _strangers = half_heads((1..=60).map(stranger), gateway.ingest).await;
    wait_until("they have them", || connections(&gateway) >= 60.0);
    for number in 2..12 {
        let answer = ask(own, &gateway, &request(&token, number)).await;
        assert_eq!(answer, Some(200));
    }
    wait_until("nobody had to leave for it", || {
        connections(&gateway) == 60.0
    });
}
