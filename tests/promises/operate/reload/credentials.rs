//! Passwords and certificates that are rotated in their files, as an operator or Kubernetes does.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::{File, put};
use crate::parts::certificates::Certificates;
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::s3;
use crate::parts::site::{base64, jpeg, wait_until};

fn is_down(gateway: &Gateway, why: &str) -> bool {
    gateway.ready()["reasons"].to_string().contains(why)
}

/// No signal and no restart: the file alone.
#[test]
fn a_rotated_password_delivers_what_waited_for_it() {
    let mut mosquitto = Mosquitto::with(&Settings {
        users: &[("site-7", "first")],
        ..Settings::default()
    });
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    put(&password, b"first\n");
    let file = File::new("");
    let gateway = file.gateway(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        ("SEND__MQTT__USERNAME", "site-7"),
        ("SEND__MQTT__PASSWORD_FILE", password.to_str().unwrap()),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    gateway.wait_delivered();

    mosquitto.let_in(&[("site-7", "second")]);
    wait_until("the broker refuses the old one", || {
        is_down(&gateway, "mqtt is down: ")
    });
    gateway.take("/RealTimeEvent", &event("2", json!(1), "gate"));

    // A wrong one holds, and shows as the destination's state.
    put(&password, b"neither\n");
    wait_until("it was seen", || super::generation(&gateway) == 2.0);
    assert!(!super::is_refused(&gateway));
    wait_until("the broker refuses the wrong one", || {
        is_down(&gateway, "mqtt is down: ")
    });

    put(&password, b"second\n");
    gateway.wait_delivered();
    assert_eq!(gateway.ledger("mqtt").delivered, 2);
    for secret in ["first", "second", "neither"] {
        let quoted = format!("{secret:?}");
        assert!(!gateway.log().contains(&quoted), "{secret}");
    }
}

#[test]
fn a_rotated_secret_of_the_bucket_stores_what_waited_for_it() {
    let store = s3::Server::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, b"neither\n");
    let file = File::new("");
    let gateway = file.gateway(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("SEND__STORE__URL", &format!("s3://{}/lobby", s3::BUCKET)),
        ("SEND__STORE__ENDPOINT", &store.endpoint()),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
        (
            "SEND__STORE__SECRET_ACCESS_KEY_FILE",
            secret.to_str().unwrap(),
        ),
    ]);
    let mut body = event("1", json!(1), "gate");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 20_000));
    gateway.take("/RealTimeEvent", &body);
    wait_until("the bucket refuses it", || {
        is_down(&gateway, "store is down: ")
    });
    assert_eq!(gateway.ledger("store").waiting, 1);

    put(&secret, s3::SECRET.as_bytes());
    wait_until("it is stored", || gateway.ledger("store").delivered == 1);
}

/// `folder/authority.pem` → `..data/authority.pem`, and `..data` → a folder with the certificate: so a Secret is mounted.
fn mount(folder: &Path, authority: &Path, version: &str) {
    let contents = folder.join(version);
    std::fs::create_dir(&contents).unwrap();
    std::fs::copy(authority, contents.join("authority.pem")).unwrap();

    let swapped = folder.join("..data_tmp");
    symlink(version, &swapped).unwrap();
    std::fs::rename(swapped, folder.join("..data")).unwrap();
}

#[test]
fn an_authority_that_is_swapped_as_kubernetes_does_is_taken() {
    let (ours, others) = (Certificates::make(), Certificates::make());
    let mosquitto = Mosquitto::with(&Settings {
        listeners: &[Listener::Tls],
        certificates: Some(&ours),
        ..Settings::default()
    });
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), &others.authority(), "..2026_11_28_first");
    let authority = folder.path().join("authority.pem");
    symlink("..data/authority.pem", &authority).unwrap();

    let file = File::new("");
    let gateway = file.gateway(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtts://localhost:{}", mosquitto.address().port()),
        ),
        ("SEND__MQTT__CA_FILE", authority.to_str().unwrap()),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    wait_until("the authority is another", || {
        is_down(&gateway, "mqtt is down: ")
    });

    mount(folder.path(), &ours.authority(), "..2026_11_28_second");
    gateway.wait_delivered();
    wait_until("it is taken as a change of the setting", || {
        gateway.log().contains("\"changed\":\"send.mqtt.ca_file\"")
    });
}
