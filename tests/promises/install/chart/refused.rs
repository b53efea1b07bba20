//! What the chart refuses, and how it says so: each file opens with the exact lines it is answered with.

use std::path::Path;

use super::helm::{try_render, yaml_files};

#[test]
fn what_cannot_work_is_refused_with_what_would() {
    let files = yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/refused"));
    assert!(files.len() >= 15, "only {} files", files.len());
    for path in files {
        let values = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<_> = values
            .lines()
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        let found = try_render(&values)
            .err()
            .unwrap_or_else(|| panic!("{} is accepted", path.display()));
        assert_eq!(said(&found), expected, "{}", path.display());
    }
}

/// The problems alone, without Helm's frame around them.
fn said(text: &str) -> Vec<&str> {
    let frame = [
        "Error: execution error at",
        "Error: values don't meet",
        "boxbridge:",
        "Use --debug",
        "level=",
        "time=",
        "coalesce.go",
    ];

    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !frame.iter().any(|start| line.starts_with(start)))
        .collect()
}

#[test]
fn a_secret_that_was_written_inline_is_not_printed() {
    for values in [
        "send: {mqtt: {password: hunter2-canary}}",
        "send: {kafka: {password: {value: hunter2-canary}}}",
        "send: {mqtt: {url: \"mqtt://boxbridge:hunter2-canary@mosquitto\"}}",
        "extraEnv: [{name: BOXBRIDGE_SEND__MQTT__PASSWORD, value: hunter2-canary}]",
    ] {
        let found = try_render(values)
            .err()
            .unwrap_or_else(|| panic!("{values} is accepted"));
        assert!(!found.contains("canary"), "{found}");
    }
}
