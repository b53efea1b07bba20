//! `boxbridge reload` and `/api/reload`: what a person asks for, and hears.

use serde_json::json;

use super::{File, generation};
use crate::parts::gateway::event;

const NOWHERE: (&str, &str) = ("SEND__MQTT__URL", "mqtt://127.0.0.1:9");

#[test]
fn the_command_says_what_holds_now_or_why_it_does_not() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    let said = |part: &str, code: i32| {
        let (said, ended) = gateway.run(&["reload"]);
        assert!(said.contains(part), "{said}");
        assert_eq!(ended, Some(code), "{said}");
    };
    said("nothing has changed", 0);

    file.write("[send]\nretry_max = \"3s\"\n");
    said("they hold now: send.retry_max", 0);
    assert_eq!(generation(&gateway), 2.0);

    file.write("site = \"lobby\"\n");
    said("site is changed, which takes a restart", 1);

    file.write("[send]\nretry_max = \"soon\"\n");
    said("config: send.retry_max = \"soon\": must be a duration", 64);
    assert_eq!(generation(&gateway), 2.0);

    // The gateway itself says the same to those who do not ask by the settings.
    let url = format!("http://{}", gateway.admin);
    let (said, ended) = gateway.run(&["reload", "--url", &url]);
    assert!(
        said.contains("send.retry_max = \"soon\": must be a duration"),
        "{said}"
    );
    assert_eq!(ended, Some(1));
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));

    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("settings.reload").count(), 4, "{audit}");
}

/// A token that leaks is changed in its file.
#[test]
fn a_changed_token_file_closes_the_door_to_the_old_token() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    super::put(&tokens, b"0123456789abcdef-first\n");
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE, ("ADMIN__TOKEN_FILE", tokens.to_str().unwrap())]);
    let old = folder.path().join("old");
    std::fs::copy(&tokens, &old).unwrap();

    super::put(&tokens, b"0123456789abcdef-second\n");
    super::taken(&gateway);
    let url = format!("http://{}", gateway.admin);
    let with = |file: &std::path::Path| {
        let file = file.to_str().unwrap();
        gateway.run(&["reload", "--url", &url, "--token-file", file])
    };
    let (said, ended) = with(&old);
    assert!(said.contains("the token is none of"), "{said}");
    assert_eq!(ended, Some(1));
    assert_eq!(with(&tokens).1, Some(0));
}
