//! The links to pictures in events: who can open them, where, and until when.

use serde_json::{Value, json};

use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, Settings, event};
use crate::parts::http::{self, Answer};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;
use crate::parts::site::{base64, jpeg};
use crate::parts::subscriber::Subscriber;

mod announced;
mod in_a_bucket;
mod kept;
mod opened;
mod refused;

/// A gateway that delivers to this broker, with its links on a port that stays.
fn gateway(mosquitto: &Mosquitto, settings: Settings) -> Gateway {
    let url = format!("mqtt://{}", mosquitto.address());
    let listen = format!("127.0.0.1:{}", free_port());
    let own = [
        ("SEND__MQTT__URL", &*url),
        ("SEND__STORE__LINKS__LISTEN", &*listen),
    ];
    Gateway::start(&[&own, settings].concat())
}

async fn events(mosquitto: &Mosquitto) -> Subscriber {
    Subscriber::start(mosquitto.address(), "boxbridge/+/events/#").await
}

/// The settings of a bucket on this server.
fn bucket(server: &s3::Server) -> Vec<(&'static str, String)> {
    vec![
        ("SEND__STORE__URL", format!("s3://{}/lobby", s3::BUCKET)),
        ("SEND__STORE__ENDPOINT", server.endpoint()),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID.to_owned()),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET.to_owned()),
    ]
}

/// An enrolled photo and a scene.
fn pictures(seed: u64) -> [Vec<u8>; 2] {
    [jpeg(seed, 3_000), jpeg(seed + 1_000, 75_000)]
}

/// Posts an event with these pictures.
fn post(gateway: &Gateway, seed: u64) {
    let [registered, scene] = pictures(seed);
    let mut body = event(&seed.to_string(), json!(5), "192.168.1.243");
    body["reg_pic"] = base64(&registered);
    body["ext_data"]["spot_pic"] = base64(&scene);
    gateway.take("/RealTimeEvent", &body);
}

/// The next event, as a subscriber gets it.
async fn next(subscriber: &mut Subscriber) -> Value {
    let message = subscriber.receive(1).await.remove(0);
    serde_json::from_slice(&message.payload).unwrap()
}

/// The links of an event: to the enrolled photo, and to the scene.
fn links(event: &Value) -> [String; 2] {
    ["registered", "scene"].map(|kind| {
        let link = event["pictures"][kind]["url"].as_str();
        link.unwrap_or_else(|| panic!("{event}")).to_owned()
    })
}

/// Opens both links of an event, and looks at what comes.
fn assert_open(event: &Value, seed: u64) {
    for (link, picture) in links(event).iter().zip(pictures(seed)) {
        let answer = http::open(link);
        let is_it = answer.body == picture;
        assert_eq!(
            (answer.status, is_it),
            (200, true),
            "{link}\n{}",
            answer.head
        );
    }
}

fn open_with(link: &str, head: &[(&str, &str)]) -> Answer {
    let (address, path) = http::parts_of(link);
    http::get(address, &path, head)
}
