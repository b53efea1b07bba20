//! What does not open, and that it says why in plain words.

use super::{events, gateway, links, next, post};
use crate::parts::http;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_link_is_refused_and_nothing_else_is_served_there() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    let [registered, scene] = links(&event);
    let (address, path) = http::parts_of(&scene);
    let (_, signed) = path.split_once('?').unwrap();
    let (other, _) = registered.split_once('?').unwrap();

    let signature = signed.rsplit_once('=').unwrap().1;
    let other_letter = if signature.starts_with('A') { 'B' } else { 'A' };
    let tampered = format!("{other_letter}{}", &signature[1..]);
    for wrong in [
        format!("{other}?{signed}"),
        scene.replace("until=", "until=1"),
        scene.replace("record=", "record=1"),
        scene.replace(signature, &tampered),
        scene.replace(signature, ""),
        scene.split_once('?').unwrap().0.to_owned(),
    ] {
        let answer = http::open(&wrong);
        assert_eq!(answer.status, 403, "{wrong}");
        assert!(
            answer.text().contains("was not made here"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.header("Content-Type"), "text/plain; charset=utf-8");
    }

    for nothing in [
        "/",
        "/readyz",
        "/api/status",
        "/metrics",
        "/registered/",
        "/../secret",
    ] {
        let answer = http::get(address, nothing, &[]);
        assert_eq!(answer.status, 404, "{nothing}: {}", answer.text());
    }
    let put = http::ask("PUT", address, &path, &[]);
    assert_eq!((put.status, put.header("Allow")), (405, "GET, HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_time_is_over_is_gone_and_says_so() {
    let mosquitto = Mosquitto::start();
    // An hour ahead, and then set back: what was made to open for a minute lies in the past.
    let gateway = gateway(&mosquitto, &[("SEND__STORE__LINKS__OPEN_FOR", "1m")]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let [link, _] = links(&next(&mut subscriber).await);
    assert_eq!(http::open(&link).status, 200);

    let secret = std::fs::read_to_string(gateway.data_dir().join("links.secret")).unwrap();
    let old = resigned(&link, secret.trim());
    let answer = http::open(&old);
    assert_eq!(answer.status, 410, "{old}");
    assert!(
        answer.text().contains("opened until 2001-09-09T01:46:40"),
        "{}",
        answer.text()
    );
}

/// The same link, as this gateway would have made it to open until 2001.
fn resigned(link: &str, secret: &str) -> String {
    let (before, _) = link.split_once('?').unwrap();
    let name = before.split_once("registered/").unwrap().1;
    let signer = boxbridge::links::Signer::new(secret.as_bytes());
    let mut old = before.to_owned();
    let until = boxbridge_event::Timestamp(1_000_000_000_000);
    signer.sign(&mut old, &format!("registered/{name}"), until, None);
    old
}

#[tokio::test(flavor = "multi_thread")]
async fn without_links_events_have_no_url_and_no_port_is_open() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[("SEND__STORE__LINKS__MODE", "off")]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    assert!(event["pictures"]["scene"]["url"].is_null(), "{event}");
    let noted = gateway.ready()["notes"].to_string();
    assert!(
        noted.contains("events have no links to pictures"),
        "{noted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_asks_for_many_pictures_and_reads_none_keeps_nobody_out() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let [_, link] = links(&next(&mut subscriber).await);
    let (address, path) = http::parts_of(&link);

    let request = format!("GET {path} HTTP/1.1\r\nHost: gate\r\n\r\n");
    let unread: Vec<_> = (0..60)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
            stream
        })
        .collect();
    wait_until("another viewer sees it", || http::open(&link).status == 200);
    drop(unread);
}
