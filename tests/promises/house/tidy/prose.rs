//! How sentences read, in comments and on pages; and what a pause in a test says of itself.

use super::{ALL_CODE, root, rust_files, texts};

/// Words on which a reader stumbles. In two pieces each, so that this file does not hold them.
const STUMBLED_OVER: [(&str, &str); 6] = [
    ("men", "ded"),
    ("men", "ds"),
    ("when", "ce"),
    ("who", "ever"),
    ("that ", "which"),
    ("that of ", "which"),
];

/// What the folders of code hold of them today. These numbers only ever fall.
const LEFT: &[(&str, usize)] = &[("src", 7)];

fn stumbles(text: &str) -> Vec<String> {
    // A sentence goes on behind the end of a line.
    let joined: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == '/')
        .filter(|word| !word.is_empty())
        .collect();
    let joined = joined.join(" ").to_lowercase();
    let words: Vec<String> = STUMBLED_OVER
        .iter()
        .map(|(begin, end)| format!("{begin}{end}"))
        .collect();
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');

    let found = words
        .iter()
        .flat_map(|word| joined.match_indices(word.as_str()));
    let whole = found.filter(|(at, word)| {
        !is_letter(joined[..*at].chars().next_back())
            && !is_letter(joined[at + word.len()..].chars().next())
    });
    whole
        .map(|(at, _)| joined[at..].chars().take(50).collect())
        .collect()
}

#[test]
fn sentences_have_none_of_the_words_that_make_one_read_them_twice() {
    for folder in ALL_CODE {
        let files = [".rs", ".toml", ".yaml", ".js", ".mjs", ".css"]
            .into_iter()
            .flat_map(|end| texts(folder, end));
        let found: Vec<(String, String)> = files
            .flat_map(|(path, text)| {
                stumbles(&text)
                    .into_iter()
                    .map(move |found| (path.clone(), found))
            })
            .collect();
        let most = LEFT
            .iter()
            .find(|(left, _)| *left == folder)
            .map_or(0, |(_, most)| *most);
        assert!(
            found.len() <= most,
            "{folder} has {} of them, over {most}: {found:#?}",
            found.len()
        );
    }

    let pages = [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Makefile",
    ];
    let single = pages.into_iter().map(|page| {
        (
            page.to_owned(),
            std::fs::read_to_string(root().join(page)).unwrap(),
        )
    });
    let folders = ["docs", "config", "charts"].into_iter().flat_map(|folder| {
        [".md", ".toml", ".yaml", ".tpl", ".txt"]
            .into_iter()
            .flat_map(move |end| texts(folder, end))
    });
    for (page, text) in single.chain(folders) {
        assert_eq!(stumbles(&text), [""; 0], "{page}");
    }
}

/// The parts poll: that is what they are for.
#[test]
fn a_pause_in_a_test_says_what_it_stands_for() {
    for (path, text) in rust_files("tests/promises") {
        if path.starts_with("tests/promises/parts/") || path == file!() {
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            let is_pause = pair[1].contains("sleep(") || pair[1].contains("sleep_until(");
            assert!(
                !is_pause || pair[0].trim_start().starts_with("//"),
                "{path}: no word above {}",
                pair[1].trim()
            );
        }
    }
}
