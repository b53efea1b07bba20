//! A token is written nowhere: not into logs, metrics, errors, the quarantine, the audit log or anything that can be asked for.

use std::path::Path;

use serde_json::json;

use super::{Tokens, judged, sample};
use crate::parts::gateway::Gateway;
use crate::parts::http;
use crate::parts::site::files;

/// Everything that a gateway wrote or says.
fn everything(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    let asked = [
        "/readyz",
        "/metrics",
        "/api/status",
        "/api/devices",
        "/api/events",
        "/api/quarantine",
    ];
    let asked = asked.map(|path| (path.to_owned(), http::get(gateway.admin, path, &[]).body));
    let commands = [
        &["check", "--print"][..],
        &["quarantine", "list", "--json"],
        &["status", "--json"],
    ];
    let commands =
        commands.map(|arguments| (arguments.join(" "), gateway.run(arguments).0.into_bytes()));

    let of_process = Path::new("/proc").join(gateway.id().to_string());
    let of_process = ["cmdline", "environ"].map(|name| {
        (
            name.to_owned(),
            std::fs::read(of_process.join(name)).unwrap(),
        )
    });
    let mut all = vec![("the log".to_owned(), gateway.log().into_bytes())];
    all.extend(asked.into_iter().chain(commands).chain(of_process));
    all.extend(files(&gateway.data_dir()));
    all
}

#[test]
fn no_token_is_written_anywhere_good_or_wrong() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[("LOG__LEVEL", "trace")]);
    let guess = "c0ffee".repeat(7);
    let short = "sesam-open";
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");

    let good = format!("/t/{token}/RealTimeEvent");
    assert_eq!(judged(&gateway, &good, "").0, 200);
    assert_eq!(judged(&gateway, "/RealTimeEvent", &bearer(&token)).0, 200);
    // Refused for something else, and kept.
    for target in [
        format!("/t/{token}/nothing"),
        format!("/nothing?token={token}"),
        format!("/nothing/{token}/RealTimeEvent?token={token}"),
    ] {
        assert_eq!(judged(&gateway, &target, "").0, 404, "{target}");
    }
    let kept = super::post(
        &gateway,
        &format!("/RealTimeEvent?token={token}&box={short}1"),
        "",
        &json!("no event"),
    );
    assert_eq!(kept.status, 422);
    // Refused for the token.
    for wrong in [guess.as_str(), short] {
        for (target, head) in [
            (format!("/t/{wrong}/RealTimeEvent"), String::new()),
            (format!("/RealTimeEvent?token={wrong}"), String::new()),
            ("/RealTimeEvent".to_owned(), bearer(wrong)),
            (format!("/{wrong}/RealTimeEvent"), String::new()),
            (
                format!("/t/{token}/RealTimeEvent?token={wrong}"),
                String::new(),
            ),
        ] {
            assert_eq!(judged(&gateway, &target, &head).0, 401, "{target}");
        }
    }
    // Broken before anybody looked for a token.
    let broken = format!("POST /t/{token}/RealTimeEvent HTTP/1.1\r\nContent-Length: x\r\n\r\n");
    assert!(
        gateway
            .raw(broken.as_bytes())
            .is_none_or(|it| it.status == 400)
    );
    let _ = gateway.post(&format!("/t/{token}/RealTimeEvent"), &sample());

    let everything = everything(&gateway);
    assert!(everything.len() > 12);
    for (place, bytes) in everything {
        for canary in [
            token.as_str(),
            &token[..20],
            &guess[..20],
            "sesam-open\"",
            "sesam-open/",
        ] {
            let found = bytes
                .windows(canary.len())
                .any(|it| it == canary.as_bytes());
            assert!(!found, "{canary} in {place}");
        }
    }
}
