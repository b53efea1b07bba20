//! Devices from traffic: what is known of them, who is silent, what the buses are told, and what an operator sees.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event, get};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::subscriber::Received;

mod inventory;
mod silent;
mod table;
mod told;

const NOWHERE: (&str, &str) = ("SEND__MQTT__URL", "mqtt://127.0.0.1:9");

fn at(mosquitto: &Mosquitto) -> String {
    format!("mqtt://{}", mosquitto.address())
}

/// What `/api/devices` answers.
fn devices(gateway: &Gateway, query: &str) -> Value {
    let request = format!("/api/devices{query}");
    let stream = std::net::TcpStream::connect(gateway.admin).unwrap();
    let head = format!("GET {request} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin);
    let answer = crate::parts::gateway::exchange(stream, head.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The row of a device; null where there is none.
fn row(gateway: &Gateway, device: &str) -> Value {
    let all = devices(gateway, "?limit=1000");
    let rows = all["devices"].as_array().unwrap().iter();
    let mut of_it = rows.filter(|row| row["device"] == device);
    of_it.next().cloned().unwrap_or_default()
}

fn reasons(gateway: &Gateway) -> String {
    let ready: Value = serde_json::from_str(&get(gateway.admin, "/readyz")).unwrap();
    assert_eq!(ready["ready"], true, "{ready}");
    ready["reasons"].to_string()
}

fn count(gateway: &Gateway, state: &str) -> f64 {
    gateway.sum("boxbridge_ingest_devices", &[("state", state)])
}

/// A box of generation 1 to 3, with one capture device.
fn report(device: &str, status: &str) -> Value {
    json!({
        "gateway_ip": "192.168.1.19 10.8.0.2", "gateway_name": "小盒子", "gateway_status": "online", "gateway_sn": "SN-9", "dev_sno": "L-1",
        "gateway_ext_data": {"sw_version": "V5R6", "cpu_info": {"use": "7"}, "status": "0"},
        "sub_devices": [{"ep_id": format!("L-1__{device}"), "ep_name": "东门", "ep_ip": device, "ep_status": status, "ep_type": "rtsp"}],
    })
}

/// A message of a device, without its times.
fn without_times(message: &Received) -> Value {
    if message.payload.is_empty() {
        return Value::Null;
    }
    let mut payload: Value = serde_json::from_slice(&message.payload).unwrap();
    let members = payload.as_object_mut().unwrap();
    for time in ["since", "last_seen"] {
        assert!(members.remove(time).is_some(), "{time}: {message:?}");
    }
    payload
}

fn status(device: &str, status: &str, box_id: &str) -> Value {
    json!({"schema": "boxbridge.device.v1", "device": device, "status": status, "box": box_id, "site": "default"})
}
