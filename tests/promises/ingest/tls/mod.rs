//! The boxes' port over TLS: who is heard, who is told why not, and what happens when certificates change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::parts::child::free_port;
use crate::parts::gateway::Gateway;
use crate::parts::http;

mod changed;
mod client_certificates;
mod handshakes;

/// A gateway that speaks TLS beside the plain port, with this certificate and key, and where it does.
pub fn encrypted(shown: (&Path, &Path), more: &[(&str, &str)]) -> (Gateway, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (address_text, certificate, key) = (address.to_string(), text(shown.0), text(shown.1));
    let own = [
        ("INGEST__TLS_LISTEN", address_text.as_str()),
        ("INGEST__TLS_CERT_FILE", &certificate),
        ("INGEST__TLS_KEY_FILE", &key),
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
    ];
    (Gateway::start(&[&own[..], more].concat()), address)
}

pub fn both((certificate, key): &(PathBuf, PathBuf)) -> (&Path, &Path) {
    (certificate, key)
}

/// What was accepted, newest first.
fn events(gateway: &Gateway) -> Vec<Value> {
    let answer = http::get(gateway.admin, "/api/events", &[]);
    let page: Value = serde_json::from_slice(&answer.body).unwrap();
    page["events"].as_array().unwrap().clone()
}

/// How often a request, or what should have become one, was refused so.
fn refusals(gateway: &Gateway, code: &str) -> f64 {
    gateway.sum("boxbridge_ingest_refusals_total", &[("code", code)])
}
