//! Who is let in: this machine where there are no tokens, and else who shows one.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{TOKEN, ask, audited, gateway, local, with_token};
use crate::parts::child::PATIENCE;

#[test]
fn the_api_answers_only_its_own_machine_and_says_so_to_others() {
    let gateway = gateway(&[]);
    let port = gateway.admin.port();
    let get = |path: &str, head: &str| ask(&gateway, "GET", path, head, "");
    for host in [
        format!("Host: localhost:{port}"),
        format!("Host: 127.0.0.1:{port}"),
        "Host: [::1]".to_owned(),
    ] {
        assert_eq!(get("/api/status", &host).status, 200, "{host}");
    }
    for head in [
        "Host: evil.example",
        "Host: localhost\r\nX-Forwarded-For: 10.0.0.1",
        "Host: localhost\r\nX-Real-IP: 10.0.0.1",
        "Host: localhost\r\nForwarded: for=10.0.0.1",
        "Host: localhost\r\nVia: 1.1 proxy",
    ] {
        let answer = get("/api/status", head);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("not_local")),
            "{head}"
        );
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.starts_with("/api "), "{message}");
    }
    // What is not there is told to nobody else either; probes are for everyone.
    assert_eq!(get("/api/secrets", "Host: evil.example").status, 403);
    assert_eq!(
        get("/api/secrets", "Host: localhost").body["code"],
        "not_found"
    );
    let ready = get("/readyz", "Host: evil.example\r\nVia: 1.1 proxy");
    assert_eq!(ready.status, 200);

    // A name of this machine that is no loopback name: it is refused, and that is said.
    let (said, code) = gateway.run(&["status", "--url", &format!("http://127.1:{port}")]);
    assert!(
        code == Some(69) && said.contains("it tells its status only on its own machine"),
        "{said}"
    );
}

#[test]
fn with_a_token_file_its_tokens_open_the_api_from_anywhere_and_nothing_else_does() {
    let (gateway, _folder) = with_token();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let get = |path: &str, head: &str| ask(&gateway, "GET", path, head, "");
    for head in [
        format!("Host: gate.example.com\r\n{bearer}"),
        format!("Host: localhost\r\nVia: 1.1 proxy\r\n{bearer}"),
        "Host: localhost\r\nAuthorization: Bearer another-token-of-somebody".to_owned(),
    ] {
        assert_eq!(get("/api/status", &head).status, 200, "{head}");
    }

    let missing = get("/api/status", "Host: localhost");
    assert_eq!(
        (missing.status, &missing.body["code"]),
        (401, &json!("token_missing"))
    );
    assert!(
        missing
            .head
            .to_lowercase()
            .contains("www-authenticate: bearer"),
        "{}",
        missing.head
    );
    let wrong = get(
        "/api/nothing",
        "Host: localhost\r\nAuthorization: Bearer guess",
    );
    assert_eq!(
        (wrong.status, &wrong.body["code"]),
        (401, &json!("token_wrong"))
    );
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(
            get(probe, "Host: localhost").status,
            200,
            "{probe} needs none"
        );
    }
    assert!(!gateway.log().contains("canary") && !gateway.log().contains("guess"));
}

#[test]
fn ten_wrong_tokens_from_one_address_and_it_waits_a_minute() {
    let (gateway, _folder) = with_token();
    let get = |token: &str| {
        let head = format!("Host: localhost\r\nAuthorization: Bearer {token}");
        ask(&gateway, "GET", "/api/status", &head, "")
    };
    for guess in 0..10 {
        assert_eq!(get(&format!("guess-{guess}")).status, 401);
    }
    let refused = get(TOKEN);
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (429, &json!("too_many_failures"))
    );
    assert!(
        refused.head.to_lowercase().contains("retry-after: 60"),
        "{}",
        refused.head
    );
}

#[test]
fn commands_show_the_token_of_the_settings_they_are_given() {
    let (gateway, folder) = with_token();
    let (said, code) = gateway.run(&["status"]);
    assert_eq!(code, Some(0), "{said}");

    let url = format!("http://{}", gateway.admin);
    let (said, code) = gateway.run(&["status", "--url", &url]);
    assert!(
        code == Some(69) && said.contains("needs a token of admin.token_file"),
        "{said}"
    );
    let file = folder.path().join("one");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.display().to_string();
    let (said, code) = gateway.run(&["status", "--url", &url, "--token-file", &file]);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = gateway.run(&["status", "--url", &url, "--token-file", "/nowhere"]);
    assert!(
        code == Some(64) && said.contains("cannot read /nowhere"),
        "{said}"
    );
}

#[test]
fn a_page_of_the_web_changes_nothing() {
    let gateway = gateway(&[]);
    let delete = |origin: &str| {
        let head = format!("Host: {}\r\nOrigin: {origin}", gateway.admin);
        ask(&gateway, "DELETE", "/api/jobs/none", &head, "")
    };
    for origin in ["http://evil.example", "null"] {
        let answer = delete(origin);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("foreign_origin"))
        );
    }
    assert_eq!(
        audited(&gateway),
        [json!(null); 0],
        "nothing was about to be done"
    );
    assert_eq!(delete(&format!("http://{}", gateway.admin)).status, 404);
}

#[test]
fn a_page_of_the_web_reads_nothing_and_takes_no_place_of_a_guards_console() {
    let gateway = gateway(&[]);
    let live = |head: &str| {
        let mut stream = TcpStream::connect(gateway.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, path) = (gateway.admin, "/api/events/live");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}{head}\r\n\r\n").unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        (String::from_utf8_lossy(&first).into_owned(), stream)
    };

    // More than may look on. Each would hold its place for as long as the page is open.
    let pages = [
        "\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site",
        "\r\nSec-Fetch-Site: cross-site",
        "\r\nSec-Fetch-Site: same-site",
        "\r\nOrigin: null",
    ];
    let pages: Vec<_> = (0..12)
        .map(|page| live(pages[page % pages.len()]))
        .collect();
    assert!(pages.iter().all(|(first, _)| first == "HTTP/1.1 403"));

    for ours in [
        "",
        "\r\nSec-Fetch-Site: same-origin",
        "\r\nSec-Fetch-Site: none",
    ] {
        assert_eq!(live(ours).0, "HTTP/1.1 200", "{ours}");
    }
}

#[test]
fn who_changes_something_is_written_down_before_it_is_done() {
    let gateway = gateway(&[]);
    let answer = local(&gateway, "DELETE", "/api/jobs/replay-1", &json!(null));
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (404, &json!("not_found"))
    );
    let lines = audited(&gateway);
    let said = (
        &lines[0]["who"],
        &lines[0]["from"],
        &lines[0]["what"],
        &lines[0]["details"],
    );
    let expected = (
        &json!("local"),
        &json!("127.0.0.1"),
        &json!("job.cancel"),
        &json!({"id": "replay-1"}),
    );
    assert_eq!(said, expected, "{lines:?}");

    let (gateway, _folder) = with_token();
    let head = format!("Host: gate\r\nAuthorization: Bearer {TOKEN}");
    ask(&gateway, "DELETE", "/api/jobs/replay-1", &head, "");
    let who = audited(&gateway)[0]["who"].as_str().unwrap().to_owned();
    assert!(who.starts_with("token:") && who.len() == 14, "{who}");
}

#[test]
fn what_cannot_be_written_down_is_not_done() {
    let gateway = gateway(&[]);
    // No file can be made where a folder lies.
    std::fs::create_dir(gateway.data_dir().join("audit.jsonl")).unwrap();
    let answer = local(&gateway, "DELETE", "/api/jobs/replay-1", &json!(null));
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (503, &json!("not_audited"))
    );
}
