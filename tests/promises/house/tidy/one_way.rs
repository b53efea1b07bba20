//! Knowledge goes one way, and never in a circle: inside the queue, and inside each crate beside the gateway.
//!
//! In the queue: bytes ← log ← those who follow ← those who append ← what opens it. In the settings: values ← layers ← the reader ← sections.
//! Promises: finds a name however it is written, in groups, with `super` or from `crate`, and the file that it ends in, past a `mod.rs`
//! that passes it on. Deliberately takes a file of the queue and the folder of its name for one.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, rust_files};

/// Files that may not name each other in a circle.
struct House {
    folder: &'static str,
    /// What a name of its begins with.
    path: &'static str,
    /// Its folders in the order of knowledge, and whom each may name besides itself.
    below: &'static [(&'static str, &'static [&'static str])],
    families: Families,
}

/// A file and the folder of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Families {
    AreOne,
    AreSeveral,
}

const QUEUE: House = House {
    folder: "src/queue/",
    path: "crate::queue::",
    below: &[
        ("format", &[]),
        ("log", &["format"]),
        ("follow", &["format", "log"]),
        ("append", &["format", "log", "follow"]),
    ],
    families: Families::AreOne,
};

const CONFIG: House = House {
    folder: "crates/config/src/",
    path: "crate::",
    below: &[
        ("values", &[]),
        ("layers", &["values"]),
        ("reader", &["values", "layers"]),
        ("send", &["values", "layers", "reader", "route"]),
    ],
    families: Families::AreSeveral,
};

const fn without_order(folder: &'static str) -> House {
    House {
        folder,
        path: "crate::",
        below: &[],
        families: Families::AreSeveral,
    }
}

const HOUSES: [House; 5] = [
    QUEUE,
    CONFIG,
    without_order("crates/event/src/"),
    without_order("crates/connect/src/"),
    without_order("crates/proof/src/"),
];

/// Module → its file. `log/segment` is `src/queue/log/segment.rs`, `log` is `src/queue/log/mod.rs`.
type Modules = BTreeMap<String, File>;

struct File {
    code: String,
    /// A `mod.rs` or `lib.rs` only passes names on.
    is_folder: bool,
}

#[test]
fn knowledge_goes_one_way_and_never_in_a_circle() {
    for house in HOUSES {
        let folder = house.folder;
        let known = who_names_whom(&house, &modules(&house));
        assert!(!known.is_empty() || folder.contains("connect"), "{folder}");

        for (from, to) in &known {
            let of = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
            let (of_from, of_to) = (of(from), of(to));
            let below = house.below.iter().find(|(name, _)| *name == of_from);
            let Some((_, below)) = below else {
                let is_ordered = house.families == Families::AreOne && from.contains('/');
                assert!(!is_ordered, "{folder}{of_from}: who is below it?");
                continue;
            };
            let may = of_to == of_from || below.contains(&of_to.as_str());
            assert!(may, "{folder}: {from} names {to}");
        }

        let circle = in_a_circle(&known);
        assert!(
            circle.is_empty(),
            "{folder}: they name each other: {circle:?}"
        );
    }
}

fn modules(house: &House) -> Modules {
    let file = |(path, text): (String, String)| {
        let name = path.strip_prefix(house.folder).unwrap();
        let name = name.strip_suffix(".rs").unwrap();
        let folder = ["mod", "lib"].iter().find_map(|end| name.strip_suffix(end));
        let code = code(&text).concat();
        let module = folder.unwrap_or(name).trim_end_matches('/').to_owned();
        let is_folder = folder.is_some_and(|before| before.is_empty() || before.ends_with('/'));
        (module, File { code, is_folder })
    };

    rust_files(house.folder.trim_end_matches('/'))
        .into_iter()
        .filter(|(path, _)| !path.ends_with("/tests.rs"))
        .map(file)
        .collect()
}

fn who_names_whom(house: &House, modules: &Modules) -> BTreeSet<(String, String)> {
    let mut known = BTreeSet::new();
    for (module, file) in modules.iter().filter(|(_, file)| !file.is_folder) {
        let from = owner(house, modules, module);
        for path in paths(house, module, &file.code) {
            let to = found_in(house, modules, &path);
            known.extend(to.filter(|to| *to != from).map(|to| (from.clone(), to)));
        }
    }
    known
}

fn is_folder(modules: &Modules, module: &str) -> bool {
    modules.get(module).is_none_or(|file| file.is_folder)
}

/// `log/segment` for `log/segment/read`, where families are one.
fn owner(house: &House, modules: &Modules, module: &str) -> String {
    let ends = module.match_indices('/').map(|(at, _)| &module[..at]);
    let mut owners = ends.filter(|name| !is_folder(modules, name));
    let is_one = house.families == Families::AreOne;
    owners
        .next()
        .filter(|_| is_one)
        .unwrap_or(module)
        .to_owned()
}

/// Everything that a module names in its house, as paths from its top.
fn paths(house: &House, module: &str, text: &str) -> Vec<String> {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let above = |module: &str| {
        module
            .rsplit_once('/')
            .map_or("", |(above, _)| above)
            .to_owned()
    };
    let mut paths = Vec::new();

    for (at, begin) in text.match_indices(house.path) {
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

    let is_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for child in children(&text) {
        let begin = format!("{child}::");
        let named = text.match_indices(&begin);
        for (at, _) in named.filter(|(at, _)| !text[..*at].ends_with(is_of_name)) {
            spell_out(module, &text[at..], &mut paths);
        }
    }
    paths
}

/// The modules that a file declares.
fn children(text: &str) -> Vec<&str> {
    let declared = text.match_indices("mod ");
    let names = declared.filter_map(|(at, begin)| text[at + begin.len()..].split_once(';'));
    names
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
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
fn found_in(house: &House, modules: &Modules, path: &str) -> Option<String> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let on_the_way = ends.chain([path.len()]).map(|end| &path[..end]);
    let mut known = on_the_way.filter(|module| modules.contains_key(*module));
    let module = known.next_back().unwrap_or("");
    if !is_folder(modules, module) {
        return Some(owner(house, modules, module));
    }

    // Which of its files has the name?
    let name = path[module.len()..].trim_matches('/').split('/').next()?;
    let passed_on = modules.get(module)?.code.split(';');
    let passed_on = passed_on.filter_map(|item| item.trim().strip_prefix("pub use "));
    let mut within = Vec::new();
    for item in passed_on {
        spell_out(module, item, &mut within);
    }
    let path = within
        .iter()
        .find(|path| path.ends_with(&format!("/{name}")))?;
    found_in(house, modules, path)
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

/// The names of modules with their code; those that end in `/` are folders.
fn made(files: &[(&str, &str)]) -> Modules {
    let file = |(name, code): &(&str, &str)| {
        let module = name.trim_end_matches('/').to_owned();
        let file = File {
            code: (*code).to_owned(),
            is_folder: name.ends_with('/'),
        };
        (module, file)
    };
    files.iter().map(file).collect()
}

fn written(known: &BTreeSet<(String, String)>) -> Vec<String> {
    known
        .iter()
        .map(|(from, to)| format!("{from} {to}"))
        .collect()
}

#[test]
fn a_name_is_found_however_it_is_written() {
    let modules = made(&[
        ("/", "mod log; pub use log::Log;"),
        (
            "log/",
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
    ]);
    let known = who_names_whom(&QUEUE, &modules);

    assert_eq!(
        written(&known),
        [
            "log/scan log/segment",
            "log/segment log/scan",
            "open log/scan",
            "open log/segment"
        ]
    );
}

#[test]
fn a_file_that_uses_its_part_and_is_used_by_it_is_a_circle() {
    let whole = "mod part; pub struct Whole; fn a() { part::make() }";
    let modules = made(&[
        ("/", "mod whole; pub use whole::Whole;"),
        ("whole", whole),
        ("whole/part", "use crate::Whole; fn make() {}"),
    ]);
    let known = who_names_whom(&without_order("crates/x/src/"), &modules);
    assert_eq!(written(&known), ["whole whole/part", "whole/part whole"]);
    assert_eq!(in_a_circle(&known), known);
}
