//! Inside the queue, knowledge goes one way: bytes ← log ← those who follow ← those who append ← what opens it.
//!
//! Promises: finds a name however it is written, in groups, with `super` or from `crate`, and the file that it ends in, past a `mod.rs`
//! that passes it on. Deliberately takes a file and the folder of its name for one.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, rust_files};

/// The folders, and whom each may name besides itself.
const BELOW: [(&str, &[&str]); 4] = [
    ("format", &[]),
    ("log", &["format"]),
    ("follow", &["format", "log"]),
    ("append", &["format", "log", "follow"]),
];

/// Module → its code. `log/segment` is `src/queue/log/segment.rs`, `log` is `src/queue/log/mod.rs`.
type Modules = BTreeMap<String, String>;

#[test]
fn in_the_queue_knowledge_goes_one_way_and_never_in_a_circle() {
    let modules = modules();
    let known = who_names_whom(&modules);
    assert!(known.len() > 100, "{known:?}");

    for (from, to) in &known {
        let folder = |name: &str| name.split_once('/').map(|(folder, _)| folder.to_owned());
        let Some(of) = folder(from) else { continue };
        let below = BELOW.iter().find(|(name, _)| *name == of);
        let (_, below) = below.unwrap_or_else(|| panic!("{of}: who is below it?"));
        let may = folder(to).is_some_and(|to| to == of || below.contains(&to.as_str()));
        assert!(may, "{from} names {to}");
    }
    let circle = in_a_circle(&known);
    assert!(circle.is_empty(), "they name each other: {circle:?}");
}

fn modules() -> Modules {
    let module = |path: &str| {
        let name = path.strip_prefix("src/queue/").unwrap();
        let name = name.strip_suffix(".rs").unwrap();
        let name = name.strip_suffix("mod").unwrap_or(name);
        name.trim_end_matches('/').to_owned()
    };
    rust_files("src/queue")
        .into_iter()
        .filter(|(path, _)| !path.ends_with("/tests.rs"))
        .map(|(path, text)| (module(&path), code(&text).concat()))
        .collect()
}

fn who_names_whom(modules: &Modules) -> BTreeSet<(String, String)> {
    let mut known = BTreeSet::new();
    for (module, text) in modules
        .iter()
        .filter(|(module, _)| !is_folder(modules, module))
    {
        let from = owner(modules, module);
        for path in paths(module, text) {
            let to = found_in(modules, &path);
            known.extend(to.filter(|to| *to != from).map(|to| (from.clone(), to)));
        }
    }
    known
}

/// A module that is a `mod.rs`: it only passes names on.
fn is_folder(modules: &Modules, module: &str) -> bool {
    module.is_empty()
        || BELOW.iter().any(|(folder, _)| *folder == module) && modules.contains_key(module)
}

/// `log/segment` for `log/segment/read`.
fn owner(modules: &Modules, module: &str) -> String {
    let ends = module.match_indices('/').map(|(at, _)| &module[..at]);
    let mut owners = ends.filter(|name| modules.contains_key(*name) && !is_folder(modules, name));
    owners.next().unwrap_or(module).to_owned()
}

/// Everything that a module names in the queue, as paths from its top.
fn paths(module: &str, text: &str) -> Vec<String> {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let above = |module: &str| {
        module
            .rsplit_once('/')
            .map_or("", |(above, _)| above)
            .to_owned()
    };
    let mut paths = Vec::new();

    for (at, begin) in text.match_indices("crate::queue::") {
        spell_out("", &text[at + begin.len()..], &mut paths);
    }
    for (at, begin) in text.match_indices("super::") {
        let goes_on = text[..at].ends_with("::") || text[at..].starts_with("super::super::");
        if !goes_on {
            spell_out(&above(module), &text[at + begin.len()..], &mut paths);
        } else if text[..at].ends_with("super::") {
            spell_out(
                &above(&above(module)),
                &text[at + begin.len()..],
                &mut paths,
            );
        }
    }
    paths
}

/// Reads one path or group, `a::{b, c::d}` as `a/b` and `a/c/d`; how much of the text it took.
fn spell_out(before: &str, text: &str, paths: &mut Vec<String>) -> usize {
    if !text.starts_with('{') {
        let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = text.find(|c| !is_of_path(c)).unwrap_or(text.len());
        let path = format!("{before}/{}", text[..end].replace("::", "/"));
        let path = path.trim_matches('/').to_owned();
        if text[end..].starts_with('{') && text[..end].ends_with("::") {
            return end + spell_out(&path, &text[end..], paths);
        }
        paths.push(path);
        return end;
    }

    let mut at = 1;
    while at < text.len() && !text[at..].starts_with('}') {
        at += match text[at..].starts_with([' ', ',']) {
            true => 1,
            false => spell_out(before, &text[at..], paths).max(1),
        };
    }
    at + 1
}

/// The file that a path ends in.
fn found_in(modules: &Modules, path: &str) -> Option<String> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let on_the_way = ends.chain([path.len()]).map(|end| &path[..end]);
    let mut known = on_the_way.filter(|module| modules.contains_key(*module));
    let module = known.next_back().unwrap_or("");
    if !is_folder(modules, module) {
        return Some(owner(modules, module));
    }

    // Which of its files has the name?
    let name = path[module.len()..].trim_matches('/').split('/').next()?;
    let passed_on = modules[module].split(';');
    let passed_on = passed_on.filter_map(|item| item.trim().strip_prefix("pub use "));
    let mut within = Vec::new();
    for item in passed_on {
        spell_out(module, item, &mut within);
    }
    let path = within
        .iter()
        .find(|path| path.ends_with(&format!("/{name}")))?;
    found_in(modules, path)
}

/// What is left when everything is taken away that names nothing of the rest, or that nothing of the rest names.
fn in_a_circle(known: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    let mut left = known.clone();
    loop {
        let (naming, named): (BTreeSet<String>, BTreeSet<String>) = left.iter().cloned().unzip();
        let before = left.len();
        left.retain(|(from, to)| naming.contains(to) && named.contains(from));
        if left.len() == before {
            return left;
        }
    }
}

#[test]
fn a_name_is_found_however_it_is_written() {
    let modules: Modules = [
        ("", "mod log; pub use log::Log;"),
        (
            "log",
            "mod segment; pub mod scan; pub use segment::{ReadError, Segment};",
        ),
        (
            "log/scan",
            "use super::segment::Segment; use crate::queue::Log;",
        ),
        ("log/segment", "mod read; fn a() { super::scan::scan() }"),
        (
            "log/segment/read",
            "use super::super::scan; use crate::{fault, queue::log::{scan::{b, c}}};",
        ),
        (
            "open",
            "use super::log::{scan, Segment}; use crate::system::disk::Disk;",
        ),
    ]
    .map(|(module, text)| (module.to_owned(), text.to_owned()))
    .into();
    let known = who_names_whom(&modules);
    let known: Vec<_> = known
        .iter()
        .map(|(from, to)| format!("{from} {to}"))
        .collect();
    assert_eq!(
        known,
        [
            "log/scan log/segment",
            "log/segment log/scan",
            "open log/scan",
            "open log/segment"
        ]
    );
}
