//! Who is let in to the console.

use serde_json::json;

use super::{browse, gateway};

const TOKEN: &str = "0123456789abcdef-canary";

#[test]
fn a_token_opens_the_console_until_the_log_out_or_until_it_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, format!("another-token-of-somebody\n{TOKEN}\n")).unwrap();
    let path = file.display().to_string();
    let gateway = gateway(&[("ADMIN__TOKEN_FILE", &path)]);

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
