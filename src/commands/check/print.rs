//! `boxbridge check --print`: every setting that holds, and where it is written.
//!
//! Promises: what is printed can be read as a settings file, but for secrets, of which it shows only whether there is one. Deliberately
//! leaves out what a route inherits: it stands where it is written.

use std::collections::BTreeMap;

use crate::commands::{Reader, say};
use boxbridge_config::{Effect, Setting, Settings};

/// Where comments begin, unless a value is longer.
const COLUMN: usize = 48;

pub fn settings(settings: &Settings) {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (key, setting) in settings.iter() {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        sections
            .entry(section)
            .or_default()
            .extend(line(name, setting));
    }

    for (section, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        let title = match section.is_empty() {
            true => String::new(),
            false => format!("\n[{section}]"),
        };
        let text = [title.as_str(), &lines.join("\n")].join("\n");
        if say(&text) == Reader::Gone {
            return;
        }
    }
}

/// `None` for one that is inherited.
fn line(name: &str, setting: &Setting) -> Option<String> {
    let origin = setting.origin.as_ref()?;
    let value = format!("{name} = {}", setting.shown);
    let restart = match setting.effect {
        Some(Effect::Restart(_)) => ", changed by a restart alone",
        _ => "",
    };
    Some(format!("{value:<COLUMN$}  # {origin}{restart}"))
}
