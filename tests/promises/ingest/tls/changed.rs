//! Certificates that change: the new one is shown by itself, a bad one never, and the end of each is foretold.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{both, encrypted};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;
use crate::parts::tls::{TlsClient, post_on};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn put(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).unwrap();
    std::fs::rename(beside, to).unwrap();
}

fn is_taken(client: &TlsClient, tls: SocketAddr) -> bool {
    let answer = client.post(tls, "/RealTimeEvent", &event("1", json!(1), "gate"));
    answer.is_ok_and(|answer| answer.status == 200)
}

fn expiry(gateway: &Gateway) -> f64 {
    gateway.sum(
        "boxbridge_tls_certificate_expiry_seconds",
        &[("listener", "ingest")],
    )
}

fn refused(gateway: &Gateway) -> bool {
    gateway.sum("boxbridge_config_reload_failed", &[]) == 1.0
}

#[test]
fn a_changed_certificate_is_shown_to_the_next_connection_and_a_bad_pair_is_kept_out() {
    let (first, second) = (Certificates::make(), Certificates::make());
    let folder = tempfile::tempdir().unwrap();
    let shown = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    put(&first.server().0, &shown.0);
    put(&first.server().1, &shown.1);
    let (gateway, tls) = encrypted(both(&shown), &[]);
    let (of_first, of_second) = (
        TlsClient::trusting(&first.authority()),
        TlsClient::trusting(&second.authority()),
    );
    let mut kept = of_first.connect(tls).unwrap();

    // Half of a new pair.
    put(&second.server().0, &shown.0);
    wait_until("it is refused", || refused(&gateway));
    assert!(is_taken(&of_first, tls) && !is_taken(&of_second, tls));
    let reasons = gateway.ready()["reasons"].to_string();
    assert!(
        reasons.contains("ingest.tls_cert_file") && reasons.contains("does not go with its key"),
        "{reasons}"
    );

    put(&second.server().1, &shown.1);
    wait_until("the new one is shown", || is_taken(&of_second, tls));
    wait_until("and all is well", || !refused(&gateway));
    assert!(!is_taken(&of_first, tls));
    let answer = post_on(&mut kept, "/RealTimeEvent", &event("2", json!(1), "gate"));
    assert_eq!(answer.unwrap().status, 200, "no connection is ended for it");

    std::fs::write(&shown.0, "nonsense").unwrap();
    wait_until("nonsense is refused", || refused(&gateway));
    assert!(is_taken(&of_second, tls));
}

#[test]
fn the_end_of_a_certificate_is_foretold_and_an_ended_one_still_serves() {
    let certificates = Certificates::make();
    let wanted = |name, holds| Wanted {
        name,
        subject: "/CN=gateway",
        usage: "server",
        holds,
    };
    let folder = tempfile::tempdir().unwrap();
    let shown = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let put_both = |(certificate, key): (std::path::PathBuf, std::path::PathBuf)| {
        put(&key, &shown.1);
        put(&certificate, &shown.0);
    };

    put_both(certificates.sign(&wanted("long", Some(90 * DAY))));
    let (gateway, _) = encrypted(both(&shown), &[]);
    let now = std::time::SystemTime::now();
    let now = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let days = (expiry(&gateway) - now) / DAY.as_secs_f64();
    assert!((89.0..=90.0).contains(&days), "{days}");
    let notes = || gateway.ready()["notes"].to_string();
    assert!(!notes().contains("tls_cert_file"), "{}", notes());

    put_both(certificates.sign(&wanted("short", Some(13 * DAY))));
    wait_until("its end is foretold", || {
        notes().contains("ingest.tls_cert_file expires on")
    });
    let (said, code) = gateway.run(&["check"]);
    assert!(
        code == Some(0)
            && said.contains("warning   the certificate of ingest.tls_cert_file expires on"),
        "{said}"
    );
    assert!(
        said.contains("TLS       ok: ingest.tls_cert_file, until"),
        "{said}"
    );

    put_both(certificates.sign(&wanted("over", None)));
    wait_until("it is said to be over", || {
        notes().contains("ingest.tls_cert_file expired on")
    });
    assert!(!refused(&gateway), "boxes that verify nothing still send");
}

#[test]
fn check_and_a_start_refuse_a_certificate_that_does_not_go_with_its_key() {
    let (one, other) = (Certificates::make(), Certificates::make());
    let (gateway, _) = encrypted(both(&one.server()), &[]);
    let key = format!("ingest.tls_key_file={}", other.server().1.display());

    let (said, code) = gateway.run(&["check", "--set", &key]);
    assert!(
        code == Some(1) && said.contains("TLS       PROBLEM: ingest.tls_cert_file: "),
        "{said}"
    );
    let (said, code) = gateway.run(&["--set", &key]);
    assert!(
        code == Some(1) && said.contains("does not go with its key"),
        "{said}"
    );
}
