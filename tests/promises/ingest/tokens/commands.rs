//! `boxbridge token`, and the boxes of `boxbridge simulate` that show one.

use serde_json::{Value, json};

use super::Tokens;
use crate::parts::gateway::said;

#[test]
fn a_token_is_shown_once_and_listed_by_its_name() {
    let tokens = Tokens::new();
    let token = tokens.make(&[
        "gate-3",
        "--site",
        "lobby",
        "--device",
        "10.0.0.1",
        "--network",
        "10.0.0.0/8",
    ]);
    assert!(
        token.len() == 40 && token.bytes().all(|it| it.is_ascii_hexdigit()),
        "{token}"
    );
    let file = std::fs::read_to_string(tokens.file()).unwrap();
    let (list, code) = tokens.run(&["list"]);
    assert_eq!(code, Some(0), "{list}");
    assert!(
        list.contains("gate-3") && list.contains("lobby") && list.contains("10.0.0.0/8"),
        "{list}"
    );

    let (listed, _) = tokens.run(&["list", "--json"]);
    let rows: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (&rows[0]["name"], &rows[0]["device"], &rows[0]["expired"]),
        (&json!("gate-3"), &json!("10.0.0.1"), &json!(false))
    );
    for said in [file, list, listed] {
        assert!(!said.contains(&token), "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_token_is_said_and_the_file_stays() {
    let tokens = Tokens::new();
    tokens.make(&["gate-3"]);
    let before = std::fs::read(tokens.file()).unwrap();
    for (arguments, part) in [
        (&["new", "gate-3"][..], "there is a token gate-3 already"),
        (&["new", "gate 4"], "name must be"),
        (&["new", "x", "--site", "Lobby"], "site must be"),
        (&["new", "x", "--network", "boxes.lan"], "is no network"),
        (&["new", "x", "--expires", "2019-01-01"], "is over"),
        (&["new", "x", "--expires", "soon"], "neither a duration"),
        (&["revoke", "nobody"], "there is no token nobody"),
    ] {
        let (said, code) = tokens.run(arguments);
        assert!(
            said.contains(part) && code != Some(0),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(std::fs::read(tokens.file()).unwrap(), before);
}

#[test]
fn the_first_token_is_made_before_the_settings_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command.env("BOXBRIDGE_INGEST__TOKENS_FILE", &file);
        command.env("BOXBRIDGE_SITE", "lobby");
        said(command.args(arguments))
    };
    let (said, code) = run(&["check"]);
    assert!(
        code == Some(64) && said.contains("ingest.tokens_file"),
        "{said}"
    );
    let (said, code) = run(&["token", "new", "gate-3"]);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = run(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(run(&["token", "list"]).0.contains("site lobby"));

    let mut none = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    let (said, code) = crate::parts::gateway::said(none.args(["token", "list"]));
    assert!(
        code == Some(64) && said.contains("ingest.tokens_file is not set"),
        "{said}"
    );
}

#[test]
fn simulated_boxes_show_a_token_of_a_file_or_of_the_environment() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[]);
    let own = tokens.folder.path().join("own");
    std::fs::write(&own, format!("{token}\n")).unwrap();
    let simulate = |more: &[&str], environment: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command.args([
            "simulate",
            "--count",
            "5",
            "--rate",
            "50",
            "--boxes",
            "2",
            "--history",
            "0.5",
            "--patience",
            "60s",
        ]);
        command.args(["--json", "--url", &gateway.url()]).args(more);
        said(command.env("BOXBRIDGE_TOKEN", environment))
    };

    let (refused, code) = simulate(&[], "");
    assert_eq!(code, Some(1), "{refused}");
    let (said, code) = simulate(&["--token-file", own.to_str().unwrap()], "");
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = simulate(&[], &token);
    assert_eq!(code, Some(0), "{said}");
    let accepted = gateway.sum("boxbridge_ingest_events_total", &[("outcome", "accepted")]);
    assert_eq!(accepted, 10.0);

    let (said, code) = simulate(&["--token-file", "/nowhere"], "");
    assert!(
        code != Some(0) && said.contains("cannot read /nowhere"),
        "{said}"
    );
    // The gateway's own settings do not mind it.
    let (said, code) = crate::parts::gateway::said(
        gateway
            .beside(env!("CARGO_BIN_EXE_boxbridge"))
            .arg("check")
            .env("BOXBRIDGE_TOKEN", &token),
    );
    assert!(code == Some(0) && !said.contains(&token), "{said}");
}
