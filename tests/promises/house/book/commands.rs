//! Every command's `--help`, as a page.

use std::process::Command;

/// Commands lie two deep.
const DEEPEST: usize = 2;

pub fn page() -> String {
    let mut page = "# Commands\n\nWhat `--help` says. Settings are given to each by `--config`, the environment and `--set`.\n".to_owned();
    add(&[], &mut page);
    page
}

fn add(words: &[&str], page: &mut String) {
    let help = help(words);
    let title = [&["boxbridge"][..], words].concat().join(" ");
    *page += &format!("\n## {title}\n\n```text\n{}\n```\n", help.trim_end());
    if words.len() == DEEPEST {
        return;
    }
    for word in below(&help) {
        add(&[words, &[word]].concat(), page);
    }
}

fn help(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    let output = command.args(words).arg("--help").env_clear().output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines = text.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// The commands that a help lists.
fn below(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = lines.take_while(|line| !line.is_empty());
    let named = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = named.filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").collect()
}
