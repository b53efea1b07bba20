//! The contracts in docs/contract are what the program says, and what the validators of their readers take.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::child::installed;

mod asyncapi;
mod checked_in;
mod validators;
mod words;

/// What `boxbridge schema` prints, and the file that holds it.
const CONTRACTS: [(&str, &str); 9] = [
    ("event", "event.schema.json"),
    ("status", "status.schema.json"),
    ("device", "device.schema.json"),
    ("pictures", "pictures.schema.json"),
    ("devices", "devices.schema.json"),
    ("api-status", "api-status.schema.json"),
    ("config", "config.schema.json"),
    ("openapi", "openapi.json"),
    ("asyncapi", "asyncapi.json"),
];

/// By the defaults and these settings.
fn printed(which: &str, settings: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command.args(["schema", which]).env_clear();
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{which}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/contract")
}

/// Has ajv and AsyncAPI's own parser look at these files.
fn judge(files: &[PathBuf]) {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install/contract/judge.mjs");
    let mut command = Command::new("node");
    command.arg(judge).arg(installed("contract-1")).args(files);
    succeeds(&mut command);
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{command:?}: {said}");
}
