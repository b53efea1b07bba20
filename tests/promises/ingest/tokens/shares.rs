//! Boxes behind one address, each with a token of its own: what one takes, the others do not pay for.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use super::attacked::ask;
use super::{Tokens, judged};
use crate::ingest::stranger;
use crate::parts::gateway::Gateway;
use crate::parts::site::wait_until;

#[test]
fn boxes_with_tokens_of_their_own_behind_one_address_have_shares_of_their_own() {
    let tokens = Tokens::new();
    let greedy = tokens.make(&["greedy"]);
    let other = tokens.make(&["other"]);
    let gateway = tokens.gateway(&[
        ("INGEST__IN_FLIGHT_MAX_BYTES", "1MiB"),
        ("INGEST__BODY_MAX_BYTES", "256KiB"),
        ("INGEST__IN_FLIGHT_WAIT", "0s"),
        ("INGEST__BODY_TIMEOUT", "1h"),
        ("INGEST__BODY_MIN_RATE", "1"),
    ]);
    let target = |token: &str| format!("/t/{token}/RealTimeEvent");

    // The stimulus: bodies that come, and never end; one more until there is room for none.
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: box\r\nContent-Length: 262000\r\n\r\n",
        target(&greedy)
    );
    let mut slow = Vec::new();
    wait_until("one has its share", || {
        let mut stream = TcpStream::connect(gateway.ingest).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.write_all(&[b' '; 200_000]);
        slow.push(stream);
        judged(&gateway, &target(&greedy), "") == (429, "source_over_budget".to_owned())
    });
    assert_eq!(judged(&gateway, &target(&other), "").0, 200);
    drop(slow);
}

/// How many bodies lie in quarantine.
fn kept(gateway: &Gateway) -> usize {
    let folder = std::fs::read_dir(gateway.data_dir().join("quarantine"));
    folder.unwrap().count()
}

/// Sends what is no event.
async fn refused(from: Ipv4Addr, gateway: &Gateway, token: &str) {
    let request = format!(
        "POST /t/{token}/RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    assert_eq!(ask(from, gateway, &request).await, Some(422));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_has_a_quarter_of_the_quarantine_at_whatever_addresses() {
    let tokens = Tokens::new();
    let greedy = tokens.make(&["greedy"]);
    let other = tokens.make(&["other"]);
    let mut gateway = tokens.gateway(&[("INGEST__QUARANTINE__MAX_BYTES", "64KiB")]);
    let (here, elsewhere) = (Ipv4Addr::LOCALHOST, stranger(7));

    for _ in 0..10 {
        refused(here, &gateway, &greedy).await;
    }
    let of_greedy = kept(&gateway);
    assert!((1..10).contains(&of_greedy), "{of_greedy}");
    refused(here, &gateway, &other).await;
    refused(elsewhere, &gateway, &greedy).await;
    assert_eq!(kept(&gateway), of_greedy + 1);

    gateway.kill_and_restart();
    refused(elsewhere, &gateway, &greedy).await;
    refused(here, &gateway, &other).await;
    assert_eq!(kept(&gateway), of_greedy + 2);
}
