//! The house rules that a grep can check: how files open and how long they are, and who may know whom.

use std::path::{Path, PathBuf};

fn rust_files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// What the product is made of, each file by its path from here.
fn library() -> impl Iterator<Item = (String, String)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files("src").into_iter().chain(rust_files("crates"));
    files.map(move |(path, text)| (path.strip_prefix(here).unwrap().display().to_string(), text))
}

/// The lines of a file that are neither comments nor tests at its end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for (path, text) in ["src", "crates", "tests", "benches"].into_iter().flat_map(rust_files) {
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines, over 400: make it a folder", path.display());
    }
}

#[test]
fn a_stage_never_names_another_stage() {
    let stages = ["ingest", "normalize", "queue", "route", "send"];
    for stage in stages {
        for (path, text) in rust_files(&format!("src/{stage}")) {
            for other in stages.iter().filter(|other| **other != stage) {
                let names = format!("crate::{other}");
                let named = code(&text).find(|line| line.contains(&names));
                assert!(named.is_none(), "{} names {names}: {named:?}", path.display());
            }
        }
    }
}

#[test]
fn pure_stages_have_no_clock_no_disk_and_no_async() {
    for (path, text) in rust_files("src/normalize").into_iter().chain(rust_files("src/route")) {
        for word in
            ["async ", ".await", "Timestamp::now", "Instant::now", "SystemTime", "std::fs", "std::net", "tokio::", "metrics::"]
        {
            let named = code(&text).find(|line| line.contains(word));
            assert!(named.is_none(), "{} is to be pure, but: {named:?}", path.display());
        }
    }
}

#[test]
fn each_library_has_one_owner() {
    let owners = [
        ("rdkafka::", &["src/send/kafka", "crates/proof/src/reconcile/kafka_reader", "src/commands/demo/buses"][..]),
        ("rumqttc::", &["src/send/mqtt", "crates/proof/src/reconcile/mqtt_subscriber"]),
        ("object_store::", &["src/send/store", "crates/connect/src/bucket", "crates/proof/src/reconcile/store_reader"]),
        ("rmqtt_codec::", &["src/send/embedded"]),
        ("ws_stream_tungstenite::", &["src/send/embedded"]),
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
            let named = code(&text)
                .find(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).any(|w| w.starts_with(library)));
            assert!(is_owner || named.is_none(), "{path} names {library} {named:?}");
        }
    }
}

#[test]
fn library_code_has_no_unbounded_channel_and_no_panic_on_input() {
    for (path, text) in library() {
        for word in ["unbounded_channel", "mpsc::channel()", ".unwrap()", ".expect(\"", "todo!(", "unimplemented!(", "dbg!("] {
            let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
            let named = code(&text).find(|line| line.contains(word));
            assert!(is_test || named.is_none(), "{path}: {named:?}");
        }
    }
}

#[test]
fn only_the_config_reads_settings_and_only_the_app_and_the_commands_start_tasks() {
    for (path, text) in library() {
        let reads = code(&text).find(|line| line.contains("env::var"));
        // The service manager's socket is no setting.
        let may = ["crates/config", "src/commands", "src/app/service_manager.rs"].iter().any(|owner| path.starts_with(owner));
        assert!(may || reads.is_none(), "{path}: {reads:?}");
    }
}

#[test]
fn what_keeps_something_asks_the_file_system_by_way_of_the_disk() {
    let sources = rust_files("src/queue").into_iter().chain(rust_files("src/send/store"));
    for (path, text) in sources.filter(|(path, _)| !path.ends_with("tests.rs")) {
        let words = ["std::fs", "fs::", "statvfs", "File::open", "File::options", "File::create", "path.exists()", "path.is_dir()"];
        for word in words {
            // `crate::disk::File` has none of these.
            let named = code(&text).find(|line| line.contains(word) && !line.ends_with("fs::Metadata;"));
            assert!(named.is_none(), "{}: {named:?}", path.display());
        }
    }
}
