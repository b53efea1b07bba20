//! `boxbridge check --print`: what holds, and where it is written.

use std::process::Command;

const CANARY: &str = "canary-2b7c";

#[test]
fn every_setting_is_shown_with_where_it_is_written_and_secrets_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxbridge.toml");
    let password = folder.path().join("password");
    std::fs::write(&password, CANARY).unwrap();
    let text = format!(
        "site = \"lobby\"\n\n[send.mqtt]\nurl = \"mqtts://broker\"\nusername = \"site-7\"\npassword_file = {password:?}\n\n[route.vip]\nlive_for = \"90s\"\n"
    );
    std::fs::write(&file, text).unwrap();

    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command
        .env_clear()
        .arg("--config")
        .arg(&file)
        .args(["--set", "log.level=warn", "check", "--print"])
        .env("BOXBRIDGE_SEND__KAFKA__BROKERS", "kafka:9092")
        .env("BOXBRIDGE_SEND__KAFKA__SECURITY", "sasl_plaintext")
        .env("BOXBRIDGE_SEND__KAFKA__USERNAME", "boxbridge")
        .env("BOXBRIDGE_SEND__KAFKA__PASSWORD", CANARY);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains(CANARY), "{said}");

    let file = file.display();
    for (section, setting, origin) in [
        (
            "",
            "site = \"lobby\"",
            format!("{file}:1, changed by a restart alone"),
        ),
        (
            "[send.mqtt]",
            "url = \"mqtts://broker\"",
            format!("{file}:4"),
        ),
        ("[send.mqtt]", "password = \"\"", "default".to_owned()),
        (
            "[send.kafka]",
            "password = ***",
            "BOXBRIDGE_SEND__KAFKA__PASSWORD".to_owned(),
        ),
        ("[route.vip]", "live_for = \"90s\"", format!("{file}:9")),
        (
            "[route.default]",
            "live_for = \"60s\"",
            "default".to_owned(),
        ),
        ("[log]", "level = \"warn\"", "--set".to_owned()),
    ] {
        let (_, below) = said.split_once(section).unwrap();
        let line = below.lines().find(|line| line.starts_with(setting));
        let line = line.unwrap_or_else(|| panic!("{section} {setting}: {said}"));
        assert!(line.ends_with(&format!("# {origin}")), "{line}");
    }
    assert!(
        !said.contains("[route.mqtt.vip]"),
        "what is inherited: {said}"
    );
}
