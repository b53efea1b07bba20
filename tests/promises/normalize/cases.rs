//! Every file `tests/normalize/<case>.json` is a body, beside it what is expected of it.
//!
//! The case's first word is the feed it comes on (`realtime`, `history`; `platform` and `refused` come on the real-time one), and
//! `…-charset-gbk` was declared to be in that.
//! Adding a case is adding a file and running with `UPDATE=1`, which writes what is missing or has changed, to be read before it
//! is committed.

use std::path::{Path, PathBuf};

use boxbridge::normalize::Normalized;
use boxbridge_event::{Event, Feed, Refusal, Source};
use serde_json::{Value, json};

use super::{events, one, rebuilt, source};

/// Every case's name, feed and body.
pub fn cases() -> Vec<(String, Source, Vec<u8>)> {
    let files = std::fs::read_dir(folder())
        .expect("tests/normalize is there")
        .map(|entry| entry.expect("it can be listed").path());
    let mut cases: Vec<_> = files
        .filter_map(|path| {
            Some((
                path.file_name()?
                    .to_str()?
                    .strip_suffix(".json")?
                    .to_owned(),
                path,
            ))
        })
        .filter(|(name, _)| !name.ends_with(".expected"))
        .map(|(name, path)| {
            let feed = if name.starts_with("history") {
                Feed::History
            } else {
                Feed::Realtime
            };
            let charset = name
                .split_once("-charset-")
                .map(|(_, charset)| charset.to_owned());
            (
                name,
                Source {
                    charset,
                    ..source(feed)
                },
                std::fs::read(path).expect("the case can be read"),
            )
        })
        .collect();

    cases.sort_by(|one, other| one.0.cmp(&other.0));
    cases
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/normalize")
}

#[test]
fn every_case_becomes_what_is_expected_of_it() {
    let mut wrong = Vec::new();
    for (name, source, body) in cases() {
        let results = events(&body, &source);
        assert_eq!(
            name.starts_with("refused"),
            results.iter().all(Result::is_err),
            "{name}"
        );
        let shown: Vec<Value> = results.iter().map(show).collect();
        let found = serde_json::to_string_pretty(&shown).expect("a value can be written") + "\n";
        let path = folder().join(format!("{name}.expected.json"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &found).expect("the expectation can be written");
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&found) {
            wrong.push(format!("{name}: {found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ, UPDATE=1 accepts what is found:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn show(result: &Result<Normalized, Refusal>) -> Value {
    match result {
        Ok(Normalized {
            event,
            pictures,
            content,
            document: _,
            unread,
        }) => json!({
            "event": event,
            "content": content.to_hex(),
            "unread": unread.as_ref().map(|why| json!([why.code.as_str(), why.field])),
            "pictures": pictures.iter().map(|it| format!("{}: {} bytes", it.kind, it.bytes.len())).collect::<Vec<_>>(),
        }),
        Err(refusal) => json!({
            "status": refusal.code.status(), "code": refusal.code.as_str(), "message": refusal.message, "field": refusal.field,
        }),
    }
}

#[test]
fn an_event_survives_being_written_and_read() {
    for (name, source, body) in cases() {
        for Normalized { event, .. } in events(&body, &source).into_iter().flatten() {
            let text = serde_json::to_vec(&event).expect("an event can be written");
            assert_eq!(
                serde_json::from_slice::<Event>(&text).expect("and read"),
                event,
                "{name}"
            );
        }
    }
}

#[test]
fn the_vendors_document_is_made_again_exactly() {
    let body = include_bytes!("../../normalize/realtime-vendor-sample.json");
    let sent: Value = serde_json::from_slice(body).expect("it is JSON");
    assert_eq!(rebuilt(&one(body, &source(Feed::Realtime))), sent);
}
