//! The pages for people say what is so: their links lead somewhere, their settings are settings, their commands are commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::parts::gateway::Gateway;

const PAGES: [&str; 19] = [
    "README.md",
    "README.zh-CN.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/boxes.md",
    "docs/consumers.md",
    "docs/install.md",
    "docs/measure.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/SUMMARY.md",
    "docs/start.md",
    "docs/security.md",
    "docs/reliability.md",
    "docs/scale.md",
    "docs/pictures.md",
    "examples/README.md",
];

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

fn text(page: &str) -> String {
    std::fs::read_to_string(path(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The command, with the secrets in its environment that a page leaves out of its settings.
fn boxbridge(arguments: &[&str]) -> (Option<i32>, String) {
    let secrets = [
        "BOXBRIDGE_SEND__MQTT__PASSWORD",
        "BOXBRIDGE_SEND__KAFKA__PASSWORD",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command
        .args(arguments)
        .env_clear()
        .envs(secrets.map(|name| (name, "secret")));

    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// What a page asks one to type: the lines indented by four blanks, outside fences. A trailing backslash joins the next line.
fn typed(page: &str) -> Vec<String> {
    let text = text(page).replace("\\\n", " ");
    let outside: String = text.split("\n```").step_by(2).collect();
    let lines = outside.lines().filter(|line| line.starts_with("    "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let listed: BTreeSet<_> = PAGES.into_iter().map(str::to_owned).collect();
    let folders = [".", "docs", "examples"];
    let found = folders.into_iter().flat_map(|folder| {
        std::fs::read_dir(path(folder))
            .unwrap()
            .map(move |one| (folder, one))
    });
    let found = found
        .map(|(folder, one)| format!("{folder}/{}", one.unwrap().file_name().to_str().unwrap()));
    let found = found
        .filter(|name| name.ends_with(".md"))
        .map(|name| name.trim_start_matches("./").to_owned());
    assert_eq!(
        found.collect::<BTreeSet<_>>(),
        listed,
        "pages that this test does not read"
    );

    for page in PAGES {
        let text = text(page);
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());

        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, heading) = target
                .split_once('#')
                .map_or((target, None), |(file, heading)| (file, Some(heading)));
            let file = if file.is_empty() {
                path(page)
            } else {
                path(page).parent().unwrap().join(file)
            };
            assert!(
                file.exists(),
                "{page} links to {target}, which is not there"
            );

            if let Some(heading) = heading {
                let there = anchors(&std::fs::read_to_string(&file).unwrap());
                assert!(
                    there.contains(heading),
                    "{page} links to {target}: no such heading"
                );
            }
        }
    }
}

#[test]
fn settings_in_the_pages_are_settings() {
    let folder = tempfile::tempdir().unwrap();
    let mut blocks = 0;

    for page in PAGES {
        for block in text(page).split("```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap();
            // The one thing that a page cannot have: the reader's own certificate.
            let settings: Vec<_> = block
                .lines()
                .filter(|line| !line.starts_with("ca_file") && !line.starts_with("tls_"))
                .collect();
            let file = folder.path().join(format!("{blocks}.toml"));
            std::fs::write(&file, settings.join("\n")).unwrap();

            let (code, said) = boxbridge(&["check", "--config", file.to_str().unwrap()]);
            assert_eq!(code, Some(0), "{page}: {said}");
            blocks += 1;
        }
    }
    assert!(blocks >= 4, "{blocks}");
}

#[test]
fn commands_in_the_pages_are_commands_with_the_flags_they_have() {
    let mut seen = BTreeSet::new();

    for page in PAGES {
        for line in typed(page) {
            let line = line.split(" #").next().unwrap();
            let Some(arguments) = line.trim().strip_prefix("boxbridge ") else {
                continue;
            };
            let words: Vec<_> = arguments.split_whitespace().collect();

            // Flags before the command belong to all of them, and `--config` has a value.
            let is_command = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
            let commands: Vec<_> = words
                .iter()
                .take(5)
                .filter(is_command)
                .take(2)
                .copied()
                .collect();
            let help = [&commands[..], &["--help"]].concat();
            let (code, said) = boxbridge(&help);
            let (code, said) = if code == Some(0) || commands.len() < 2 {
                (code, said)
            } else {
                boxbridge(&[commands[0], "--help"])
            };
            assert_eq!(code, Some(0), "{page}: {line}: {said}");

            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.split('=').next().unwrap();
                assert!(
                    said.contains(flag),
                    "{page}: {line}: no {flag} in {commands:?}"
                );
            }
            seen.insert(commands.join(" "));
        }
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

#[test]
fn both_readmes_tell_one_to_type_the_same() {
    let without_remarks = |page: &str| -> Vec<String> {
        let lines = typed(page).into_iter();
        lines
            .map(|line| line.split(" #").next().unwrap().trim().to_owned())
            .collect()
    };
    assert_eq!(
        without_remarks("README.md"),
        without_remarks("README.zh-CN.md")
    );
}

#[test]
fn the_event_of_the_readme_is_answered_200() {
    let lines = typed("README.md");
    let first = lines
        .iter()
        .position(|line| line.starts_with("curl "))
        .unwrap();
    let command = lines[first..]
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    let body: Value = serde_json::from_str(command.split('\'').nth(1).unwrap()).unwrap();

    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let answer = gateway.post("/RealTimeEvent", &body);
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (200, &Value::from(0))
    );
}
