//! Who may know whom: stages, crates, and the libraries of others.

use super::{code, library, root, rust_files};

const STAGES: [&str; 5] = ["ingest", "normalize", "queue", "route", "send"];

#[test]
fn a_stage_never_names_another_stage() {
    for stage in STAGES {
        for (path, text) in rust_files(&format!("src/{stage}")) {
            let others = STAGES.iter().filter(|other| **other != stage);
            let named: Vec<_> = others
                .filter(|other| names_of_ours(&text).iter().any(|name| name == *other))
                .collect();
            assert!(named.is_empty(), "{path} names {named:?}");
        }
    }
}

/// The modules below `crate::` that a text names: `crate::a::b`, and each of `crate::{a, b::c}`.
fn names_of_ours(text: &str) -> Vec<String> {
    let text = code(text).join(" ");
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, path) in text.match_indices("crate::") {
        let behind = &text[at + path.len()..];
        let Some(group) = behind.strip_prefix('{') else {
            names.push(behind.chars().take_while(|c| is_of_name(*c)).collect());
            continue;
        };
        let (mut depth, mut begins) = (1, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => begins |= depth == 1,
                _ if begins && is_of_name(c) => {
                    names.push(group[at..].chars().take_while(|c| is_of_name(*c)).collect());
                    begins = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

#[test]
fn names_are_found_in_groups_as_well() {
    assert_eq!(
        names_of_ours("use crate::a::b;\nuse crate::{\n    c::{d, e},\n    f,\n};\nx(crate::g());"),
        ["a", "c", "f", "g"]
    );
}

#[test]
fn pure_stages_have_no_clock_no_disk_and_no_async() {
    let words = [
        "async ",
        ".await",
        "Timestamp::now",
        "Instant::now",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "tokio::",
        "rustix::",
        "libc::",
        "metrics::",
        "crate::system",
    ];

    for (path, text) in library()
        .filter(|(path, _)| path.starts_with("src/normalize/") || path.starts_with("src/route/"))
    {
        for word in words {
            let named = code(&text).into_iter().find(|line| line.contains(word));
            assert!(named.is_none(), "{path} is to be pure, but: {named:?}");
        }
    }
}

/// Cargo refuses a crate that is not named here; this says who may be named.
#[test]
fn a_crate_knows_only_those_below_it() {
    let may: [(&str, &[&str]); 4] = [
        ("event", &[]),
        ("config", &["event"]),
        ("connect", &["config", "event"]),
        ("proof", &["config", "connect", "event"]),
    ];
    let crates: Vec<_> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(crates.len(), may.len(), "{crates:?}");

    for folder in crates {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let (_, below) = may
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("{name}: who is below it?"));
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let named = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("boxbridge"))
            .filter_map(|line| line.split(['.', ' ', '=']).next());
        let above: Vec<_> = named
            .filter(|named| {
                !named
                    .strip_prefix('-')
                    .is_some_and(|named| below.contains(&named))
            })
            .collect();
        assert!(above.is_empty(), "{name} depends on boxbridge{above:?}");
    }
}

#[test]
fn each_library_has_one_owner() {
    let owners = [
        (
            "rdkafka::",
            &[
                "src/send/kafka",
                "crates/proof/src/reconcile/recorder/kafka_reader",
                "src/commands/demo/buses",
            ][..],
        ),
        (
            "rumqttc::",
            &[
                "src/send/mqtt",
                "crates/proof/src/reconcile/recorder/mqtt_subscriber",
            ],
        ),
        (
            "object_store::",
            &[
                "src/send/store",
                "crates/connect/src/bucket",
                "crates/proof/src/reconcile/store_reader",
            ],
        ),
        ("rmqtt_codec::", &["src/send/embedded"]),
        ("ws_stream_tungstenite::", &["src/send/embedded"]),
        ("rust_embed::", &["src/admin/console"]),
        ("figment::", &["crates/config"]),
        ("anstream::", &["src/commands/colour"]),
        ("anstyle::", &["src/commands/colour"]),
        ("metrics_exporter_prometheus::", &["src/metrics", "src/a"]),
        ("tiny_skia::", &["crates/proof/src/faces/canvas"]),
        ("jpeg_encoder::", &["crates/proof/src/faces/canvas"]),
    ];

    for (path, text) in library() {
        for (library, owners) in owners {
            let is_owner = owners.iter().any(|owner| path.starts_with(owner));
            // A library's name may end another word.
            let named = code(&text).into_iter().find(|line| {
                line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                    .any(|w| w.starts_with(library))
            });
            assert!(
                is_owner || named.is_none(),
                "{path} names {library} {named:?}"
            );
        }
    }
}

#[test]
fn library_code_has_no_unbounded_channel_and_no_panic_on_input() {
    let words = [
        "unbounded_channel",
        "mpsc::channel()",
        ".unwrap()",
        ".expect(\"",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
    ];
    for (path, text) in library() {
        for word in words {
            let named = code(&text).into_iter().find(|line| line.contains(word));
            assert!(named.is_none(), "{path}: {named:?}");
        }
    }
}

#[test]
fn only_the_config_and_the_commands_read_the_environment() {
    for (path, text) in library() {
        let reads = code(&text)
            .into_iter()
            .find(|line| line.contains("env::var"));
        // The service manager's socket is no setting.
        let may = [
            "crates/config",
            "src/commands",
            "src/app/service_manager.rs",
        ]
        .iter()
        .any(|owner| path.starts_with(owner));
        assert!(may || reads.is_none(), "{path}: {reads:?}");
    }
}

#[test]
fn what_keeps_something_asks_the_file_system_by_way_of_the_disk() {
    let words = [
        "std::fs",
        "fs::",
        "statvfs",
        "File::open",
        "File::options",
        "File::create",
        "path.exists()",
        "path.is_dir()",
    ];
    let keepers = [
        "src/queue/",
        "src/gateway/devices/",
        "src/gateway/kept/",
        "src/gateway/received",
        "src/send/store",
    ];

    for (path, text) in
        library().filter(|(path, _)| keepers.iter().any(|keeper| path.starts_with(keeper)))
    {
        for word in words {
            // `crate::system::disk::File` has none of these.
            let named = code(&text)
                .into_iter()
                .find(|line| line.contains(word) && !line.ends_with("fs::Metadata;"));
            assert!(named.is_none(), "{path}: {named:?}");
        }
    }
}
