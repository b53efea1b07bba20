//! A stand-in for the gateway that does as little as the contract allows: it answers, keeps the messages for the test to
//! publish, and puts pictures into a folder. Understands the document's firmware only.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use boxbridge_event::{EventId, PersonType, Timestamp};
use boxbridge_proof::content_hash;
use boxbridge_proof::simulate::Receiver;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What would leave for the buses.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub mqtt_topic: String,
    pub kafka_topic: String,
    pub payload: Value,
}

#[derive(Clone)]
pub struct Gateway {
    pub folder: PathBuf,
    outgoing: Arc<Mutex<Vec<Outgoing>>>,
}

impl Gateway {
    pub async fn start(folder: PathBuf) -> (Gateway, Receiver) {
        let gateway = Gateway {
            folder,
            outgoing: Arc::default(),
        };
        let router = Router::new()
            .fallback(take)
            .with_state(gateway.clone())
            .layer(DefaultBodyLimit::max(8 << 20));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (gateway, url.parse().unwrap())
    }

    /// Everything that was taken, in order.
    pub fn outgoing(&self) -> Vec<Outgoing> {
        self.outgoing.lock().clone()
    }

    fn store(&self, kind: &str, base64: &Value) -> Value {
        let Some(text) = base64.as_str().filter(|text| !text.is_empty()) else {
            return Value::Null;
        };
        let bytes = BASE64_STANDARD.decode(text).unwrap();
        let sha256 = content_hash::of(&bytes);
        let key = match kind {
            "registered" => format!("registered/{}/{sha256}.jpg", &sha256[..2]),
            kind => format!("{kind}/2026/11/22/{sha256}.jpg"),
        };
        let path = self.folder.join(&key);

        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &bytes).unwrap();
        json!({"key": key, "sha256": sha256, "bytes": bytes.len(), "stored": true, "state": "ok"})
    }
}

async fn take(State(gateway): State<Gateway>, body: axum::body::Bytes) -> String {
    let event: Value = serde_json::from_slice(&body).unwrap();
    let details = &event["ext_data"];
    let number = details["person_type"].as_u64().unwrap() - 1;
    let person_type = PersonType::from_number(u8::try_from(number).unwrap()).unwrap();
    let digest = Sha256::digest(details["simulate_id"].as_str().unwrap());
    let id = EventId(digest[..16].try_into().unwrap());
    let device = details["device_ip"].as_str().unwrap();
    let payload = json!({
        "schema": "boxbridge.match.v1",
        "id": id,
        "revision": content_hash::written(&digest[16..20]),
        "feed": "realtime",
        "occurred_at": Timestamp(event["timestamp"].as_i64().unwrap()),
        "act_before": "9999-01-01T00:00:00.000Z",
        "replay": null,
        "person_type": person_type,
        "identity": {"id": event["identity_id"], "name": event["identity_name"]},
        "match": {"score": event["score"], "group": "default_group"},
        "device": {"id": device, "type": "gate"},
        "origin": {"site": "default", "gateway": "edge-1"},
        "pictures": {
            "registered": gateway.store("registered", &event["reg_pic"]),
            "scene": gateway.store("scene", &details["spot_pic"]),
            "face": gateway.store("face", &details["recognize_face"]),
            "infrared": null,
        },
        "extra": {"ext_data": {"simulate_id": details["simulate_id"]}},
    });
    let mqtt_topic = format!("boxbridge/default/events/{person_type}/{device}");
    let kafka_topic = format!("boxbridge.events.{person_type}");

    gateway.outgoing.lock().push(Outgoing {
        mqtt_topic,
        kafka_topic,
        payload,
    });
    json!({"status": 0, "message": "SUCCESS", "event_id": id}).to_string()
}
