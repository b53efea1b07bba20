//! The book as mdBook builds it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::docs;
use crate::parts::child::installed;
use crate::parts::gateway::files;

#[test]
fn every_page_is_a_chapter() {
    let summary = std::fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let pages = files(&docs()).into_keys();
    for page in pages.filter(|page| page.ends_with(".md") && page != "SUMMARY.md") {
        assert!(
            summary.contains(&format!("]({page})")),
            "docs/SUMMARY.md does not name {page}"
        );
    }
}

#[test]
fn the_book_builds_and_every_link_in_it_leads_somewhere() {
    let book = tempfile::tempdir().unwrap();
    let mut command = Command::new(installed("mdbook-0.5.4").join("bin/mdbook"));
    command
        .arg("build")
        .arg(docs())
        .arg("--dest-dir")
        .arg(book.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && !said.contains("WARN"), "{said}");

    let built = files(book.path());
    let pages = built.iter().filter(|(name, _)| name.ends_with(".html"));
    let mut links = 0;
    for (page, bytes) in
        pages.filter(|(name, _)| !["404.html", "toc.html"].contains(&name.as_str()))
    {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("{{#"), "{page}: something is not included");
        for target in targets(&text) {
            check(book.path(), page, &target);
            links += 1;
        }
    }
    assert!(links > 200, "{links}");
}

/// What the page's own text links to and shows.
fn targets(text: &str) -> BTreeSet<String> {
    let main = text.split_once("<main>").map_or(text, |(_, main)| main);
    let main = main.split("</main>").next().unwrap_or(main);
    let quoted = ["href=\"", "src=\""].into_iter().flat_map(|begin| {
        let found = main.split(begin).skip(1);
        found.filter_map(|rest| rest.split('"').next())
    });
    let inside = quoted.filter(|target| !target.starts_with("http"));
    inside.map(|target| target.replace("&amp;", "&")).collect()
}

fn check(book: &Path, page: &str, target: &str) {
    let (file, place) = target.split_once('#').unwrap_or((target, ""));
    let page_path = book.join(page);
    let file = match file.is_empty() {
        true => page_path,
        false => page_path.parent().unwrap().join(file),
    };
    assert!(file.is_file(), "{page} links to {target}");

    if !place.is_empty() {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_there = text.contains(&format!("id=\"{place}\""));
        assert!(is_there, "{page} links to {target}: no such heading");
    }
}
