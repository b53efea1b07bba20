//! The pages of the reference are made of the program; `UPDATE=1` takes over what it says now.

use super::{commands, docs, tables};

#[test]
fn the_reference_is_what_the_program_says() {
    let pages = [
        ("settings", tables::settings()),
        ("metrics", tables::metrics()),
        ("attributes", tables::attributes()),
        ("commands", commands::page()),
    ];
    for (page, text) in pages {
        let path = docs().join(format!("reference/{page}.md"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == text,
            "docs/reference/{page}.md is not what the program says: \
             UPDATE=1 cargo test --test promises reference_is_what takes it over"
        );
    }
}
