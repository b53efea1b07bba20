//! The house rules that a grep can check: where files lie, who may know whom, and how sentences read.
//!
//! Promises: each test checks what its name says, in all code that the name means: `src`, `crates`, `tests` and `benches`.

use std::path::{Path, PathBuf};

mod files;
mod knowledge;
mod one_way;
mod prose;

const ALL_CODE: [&str; 4] = ["src", "crates", "tests", "benches"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every folder below this one, and itself.
fn folders(folder: &str) -> Vec<PathBuf> {
    let mut found = vec![root().join(folder)];
    let mut next = 0;
    while let Some(folder) = found.get(next) {
        let inner = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir());
        found.extend(inner.collect::<Vec<_>>());
        next += 1;
    }
    found
}

/// Every file below a folder whose name ends so: its path from the root, and its text.
fn texts(folder: &str, end: &str) -> Vec<(String, String)> {
    let entries = folders(folder)
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());

    paths
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(end))
        .map(|path| {
            (
                path.strip_prefix(root()).unwrap().display().to_string(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    texts(folder, ".rs")
}

fn all_code() -> impl Iterator<Item = (String, String)> {
    ALL_CODE.into_iter().flat_map(rust_files)
}

/// What the product is made of.
fn library() -> impl Iterator<Item = (String, String)> {
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    ["src", "crates"]
        .into_iter()
        .flat_map(rust_files)
        .filter(move |(path, _)| !is_test(path))
}

/// The lines of a file that are neither comments nor an item of its tests.
fn code(text: &str) -> Vec<&str> {
    let mut lines = text.lines();
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            // To its end: of `mod tests;` that is the next line, of `mod tests {` the brace in the first column.
            lines.find(|line| line.ends_with(';') && !line.starts_with(' ') || *line == "}");
        } else if !line.trim_start().starts_with("//") {
            code.push(line);
        }
    }
    code
}

#[test]
fn code_goes_on_behind_the_line_that_names_the_tests() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\nfn b() {}\n// c\n#[cfg(test)]\nmod more {\n    use d;\n}\nfn e() {}\n";
    assert_eq!(code(text), ["use a;", "fn b() {}", "fn e() {}"]);
}
