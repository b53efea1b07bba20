//! Who is let in to the console.

use std::path::Path;

use serde_json::{Value, json};

use super::live::pictures;
use super::{browse, gateway};
use crate::parts::gateway::Gateway;

const TOKEN: &str = "0123456789abcdef-canary";

#[test]
fn a_token_opens_the_console_until_the_log_out_or_until_it_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let gateway = with_tokens(&file);

    let gateway = browse("login.mjs", gateway, |_, asked| match asked {
        "token" => json!({ "token": TOKEN }),
        "revoke" => {
            std::fs::write(&file, "another-token-of-somebody\n").unwrap();
            json!(null)
        }
        _ => panic!("nobody does {asked}"),
    });
    assert!(!gateway.log().contains("canary"));
}

#[test]
fn a_page_of_the_web_beside_the_console_reads_nothing_does_nothing_and_sends_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = with_tokens(&folder.path().join("tokens"));

    browse("elsewhere.mjs", gateway, |gateway, asked| match asked {
        "key" => json!({ "token": TOKEN, "pictures": pictures("b-1") }),
        "counts" => counts(gateway),
        _ => panic!("nobody does {asked}"),
    });
}

fn with_tokens(file: &Path) -> Gateway {
    std::fs::write(file, format!("another-token-of-somebody\n{TOKEN}\n")).unwrap();
    gateway(&[("ADMIN__TOKEN_FILE", file.to_str().unwrap())])
}

/// What was done here so far: lines of the audit, and events.
fn counts(gateway: &Gateway) -> Value {
    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl"));
    let done = audit.unwrap_or_default().lines().count();
    let accepted = gateway.sum("boxbridge_ingest_accepted_total", &[]);
    json!({ "done": done, "accepted": accepted })
}
