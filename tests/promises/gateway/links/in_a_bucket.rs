//! Pictures in a bucket: signed by the store, or shown by the gateway, also while the store is down.

use serde_json::Value;

use super::{assert_open, bucket, events, gateway, links, next, post};
use crate::parts::http;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;

/// The settings as the gateway takes them, with these before them.
fn with<'s>(
    own: &'s [(&'static str, String)],
    more: &[(&'s str, &'s str)],
) -> Vec<(&'s str, &'s str)> {
    let own = own.iter().map(|(key, value)| (*key, value.as_str()));
    own.chain(more.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_opens_the_links_that_are_signed_for_it_and_no_others() {
    let (mosquitto, server) = (Mosquitto::start(), s3::Server::start());
    let own = bucket(&server);
    let gateway = gateway(
        &mosquitto,
        &with(&own, &[("ROUTE__VIP__PICTURE_WAIT", "20s")]),
    );
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    assert_open(&event, 1);

    let [link, _] = links(&event);
    assert!(
        link.starts_with(&format!("{}/", server.endpoint())),
        "{link}"
    );
    assert!(link.contains("X-Amz-Expires=86400"), "{link}");
    let answer = http::open(&link.replace("X-Amz-Expires=86400", "X-Amz-Expires=86401"));
    assert_eq!(answer.status, 403, "{}", answer.text());
    let (unsigned, _) = link.split_once('?').unwrap();
    assert_eq!(http::open(unsigned).status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_signed_for_the_address_by_which_others_reach_the_bucket() {
    let (mosquitto, server) = (Mosquitto::start(), s3::Server::start());
    let own = bucket(&server);
    let url = format!("http://localhost:{}", server.port);
    let gateway = gateway(
        &mosquitto,
        &with(
            &own,
            &[
                ("SEND__STORE__LINKS__URL", &url),
                ("ROUTE__VIP__PICTURE_WAIT", "20s"),
            ],
        ),
    );
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let [link, _] = links(&next(&mut subscriber).await);
    assert!(link.starts_with(&format!("{url}/")), "{link}");

    // What a browser that finds the name sends.
    let there = link.replace("localhost", "127.0.0.1");
    let (address, path) = http::parts_of(&there);
    let host = format!("localhost:{}", server.port);
    assert_eq!(http::get(address, &path, &[("Host", &host)]).status, 200);
    assert_eq!(http::open(&there).status, 403, "signed for another host");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_shows_what_the_bucket_has_and_what_it_has_not_yet() {
    let (mosquitto, mut server) = (Mosquitto::start(), s3::Server::start());
    server.kill();
    let own = bucket(&server);
    let gateway = gateway(
        &mosquitto,
        &with(&own, &[("SEND__STORE__LINKS__MODE", "gateway")]),
    );
    let mut subscriber = events(&mosquitto).await;

    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    assert_eq!(event["pictures"]["scene"]["stored"], Value::Bool(false));
    assert_open(&event, 1);

    server.restart();
    gateway.wait_delivered();
    assert_open(&event, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_the_operators_own_goes_first() {
    let mosquitto = Mosquitto::start();
    let settings = [("SEND__STORE__PUBLIC_URL", "https://pictures.example/")];
    let gateway = gateway(&mosquitto, &settings);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    let [link, _] = links(&event);
    let key = event["pictures"]["registered"]["key"].as_str().unwrap();
    assert_eq!(link, format!("https://pictures.example/{key}"));
}
