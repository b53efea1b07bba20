//! A picture store that moves, as its setting changes between two starts: every link of a backlog opens.

use boxbridge::app::destinations::picture_store;
use boxbridge::route::{PictureLocations, Through};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Lane, PersonType, Sequence};
use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_sent_with_links_to_where_its_pictures_lie() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("boxbridge.toml");
    let stores = ["first", "second"].map(|name| directory.path().join(name));
    let configure = |store: usize, broker: &str| {
        let url = stores[store].display();
        std::fs::write(
            &file,
            format!(
                "[send.store]\nurl = \"file://{url}\"\n[send.mqtt]\nurl = \"mqtt://{broker}\"\n"
            ),
        )
        .unwrap();
    };
    let post = |gateway: &Gateway, number: u32| {
        let mut body = event(&number.to_string(), json!(2), "192.168.1.9");
        body["ext_data"]["spot_pic"] = json!(format!("QUJDREVG{number:04}"));
        gateway.take("/RealTimeEvent", &body);
    };
    // Nobody listens there: the events wait, their pictures are stored.
    configure(0, "127.0.0.1:9");
    let mut gateway = Gateway::start(&[("CONFIG", &file.display().to_string())]);
    (0..3).for_each(|number| post(&gateway, number));
    wait_until("the first store has them", || {
        gateway.ledger("store").waiting == 0
    });
    assert_eq!(gateway.stop(), Some(0));

    let mosquitto = Mosquitto::start();
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/+/visitor/#").await;
    configure(1, &mosquitto.address().to_string());
    gateway.restart();
    post(&gateway, 3);
    gateway.wait_delivered();
    let uris: Vec<String> = subscriber
        .receive(4)
        .await
        .iter()
        .map(|message| uri(&message.payload))
        .collect();
    for (number, uri) in uris.iter().enumerate() {
        let path = uri.strip_prefix("file://").unwrap();
        assert!(
            path.starts_with(stores[usize::from(number == 3)].to_str().unwrap()),
            "{number}: {uri}"
        );
        assert!(std::path::Path::new(path).exists(), "{number}: {uri}");
    }
    assert!(gateway.log().contains("the picture store has moved"));
}

fn uri(payload: &[u8]) -> String {
    let payload: Value = serde_json::from_slice(payload).unwrap();
    payload["pictures"]["scene"]["uri"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What a start with this store knows, after `last`, when so much was settled.
fn started(
    url: &str,
    last: Option<&PictureLocations>,
    settled: u64,
    oldest: u64,
) -> PictureLocations {
    let flags = vec![("send.store.url".to_owned(), url.to_owned())];
    let configured = picture_store::configured(
        &Config::load(&Layers {
            flags,
            ..Layers::default()
        })
        .unwrap(),
    );
    let settled: Through = [[settled; PersonType::ALL.len()]; Lane::ALL.len()];

    match last {
        Some(last) => configured.after(last.clone(), settled, Sequence(oldest)),
        None => configured,
    }
}

#[test]
fn former_stores_are_forgotten_with_their_last_record_and_a_link_setting_makes_none() {
    let remembered = |places: &PictureLocations| {
        serde_json::to_value(places).unwrap()["before"]
            .as_array()
            .unwrap()
            .len()
    };
    let first = started("s3://faces/lobby", None, 0, 1);
    let second = started("s3://faces/gate", Some(&first), 10, 1);
    let third = started("file:///srv/faces", Some(&second), 20, 1);
    assert_eq!([&first, &second, &third].map(remembered), [0, 1, 2]);
    assert_eq!(
        started("file:///srv/faces", Some(&third), 30, 10),
        third,
        "nothing moved, and each has a record left"
    );
    assert_eq!(
        remembered(&started("file:///srv/faces", Some(&third), 30, 11)),
        1
    );
    assert_eq!(
        remembered(&started("file:///srv/faces", Some(&third), 30, 21)),
        0
    );

    let much = (0..40).fold(third, |last, number| {
        started(&format!("s3://faces/{number}"), Some(&last), 50, 1)
    });
    assert_eq!(remembered(&much), 8);
}
