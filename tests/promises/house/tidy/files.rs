//! How files open, how long they are, and how many names one sees at a time.

use std::collections::BTreeSet;
use std::path::Path;

use super::{ALL_CODE, all_code, folders, root, rust_files, texts};

/// One takes in so many at a glance.
const NAMES_MAX: usize = 12;

/// One file a case: adding a case is adding a file.
const CASES: &[&str] = &[
    "tests/chart",
    "tests/chart/refused",
    "tests/config",
    "tests/console",
    "tests/normalize",
];

#[test]
fn every_file_says_what_it_is_and_stays_short() {
    for (path, text) in all_code() {
        assert!(text.starts_with("//!"), "{path} does not open with //!");
        let lines = text.lines().count();
        assert!(
            lines <= 400,
            "{path} has {lines} lines, over 400: make it a folder"
        );
    }
}

/// What others made is as they made it.
const OF_OTHERS: &str = "src/admin/console/vendor/";

#[test]
fn so_does_every_file_of_the_console_and_of_its_tests() {
    let ends = [(".js", "//!"), (".mjs", "//!"), (".css", "/*!")];
    for folder in ["src/admin/console", "tests/console", "tests/install"] {
        let files = ends.into_iter().flat_map(|(end, opens)| {
            let files = texts(folder, end).into_iter();
            files.map(move |(path, text)| (path, text, opens))
        });
        for (path, text, opens) in files.filter(|(path, _, _)| !path.starts_with(OF_OTHERS)) {
            assert!(text.starts_with(opens), "{path} does not open with {opens}");
            let lines = text.lines().count();
            assert!(lines <= 400, "{path} has {lines} lines, over 400");
        }
    }
}

/// `x.rs` and `x/` are one name; `mod.rs`, `lib.rs` and `main.rs` are the folder itself.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stems = entries.map(|name| name.strip_suffix(".rs").unwrap_or(&name).to_owned());
    stems
        .filter(|name| !["mod", "lib", "main"].contains(&name.as_str()) && !name.starts_with('.'))
        .collect()
}

#[test]
fn no_folder_shows_more_than_twelve_names() {
    for folder in ALL_CODE.into_iter().flat_map(folders) {
        let path = folder.strip_prefix(root()).unwrap().display().to_string();
        let names = names(&folder);
        let is_of_cases = CASES.contains(&path.as_str());
        assert!(
            is_of_cases || names.len() <= NAMES_MAX,
            "{path} shows {} names, over {NAMES_MAX}: {names:?}",
            names.len()
        );
    }
}

#[test]
fn every_file_is_part_of_what_is_built() {
    let files: Vec<(String, String)> = ["src", "crates", "tests"]
        .into_iter()
        .flat_map(rust_files)
        .collect();
    let text = |path: String| {
        files
            .iter()
            .find(|(known, _)| *known == path)
            .map(|(_, text)| text.as_str())
    };

    for (path, _) in &files {
        let whole = path
            .strip_suffix("/mod.rs")
            .unwrap_or(path.trim_end_matches(".rs"));
        let (folder, name) = whole.rsplit_once('/').unwrap();
        if matches!(name, "lib" | "main") {
            continue;
        }
        let parents =
            ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|end| text(format!("{folder}{end}")));
        let is_named = parents
            .into_iter()
            .flatten()
            .any(|parent| parent.lines().any(|line| names_module(line, name)));
        assert!(
            is_named,
            "no `mod {name};` where one would look for it: {path} is not built"
        );
    }
}

fn names_module(line: &str, name: &str) -> bool {
    let line = line.split("//").next().unwrap_or_default();
    let declared = line
        .trim()
        .strip_suffix(';')
        .and_then(|line| line.rsplit_once("mod "));
    declared.is_some_and(|(before, module)| {
        module == name && (before.is_empty() || before.starts_with("pub"))
    })
}

#[test]
fn a_folder_of_promises_says_in_its_mod_rs_what_it_is_about() {
    let root = root().join("tests/promises");
    for folder in folders("tests/promises")
        .into_iter()
        .filter(|folder| *folder != root)
    {
        assert!(
            folder.join("mod.rs").is_file(),
            "{} has no mod.rs",
            folder.display()
        );
        let beside = folder.with_extension("rs");
        assert!(
            !beside.exists(),
            "{} stands beside its folder",
            beside.display()
        );
    }
}
