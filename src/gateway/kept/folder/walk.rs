//! Going through the files of a folder by their names: page by page, or all that were there.
//!
//! Promises: a page looks into a bounded number of files, however many there are and however few are meant; of the others not even the
//! first line is read. Others may put and remove meanwhile.

use std::io;
use std::ops::Bound;

use super::Folder;
use super::contents::FileState;

/// Files that one page looks into at most; the next goes on behind them.
const LOOKS_MAX: usize = 5_000;
/// Names that are taken at once.
const NAMES_AT_ONCE: usize = 500;

/// Some of the files that are meant, in the order of their names.
#[derive(Debug)]
pub struct Page<T> {
    pub entries: Vec<(String, T)>,
    /// There may be more behind this name.
    pub next: Option<String>,
}

impl Folder {
    /// The next names behind this one, at most so many.
    pub fn names_after(&self, after: Option<&str>, most: usize) -> Vec<String> {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.to_owned()));
        let contents = self.contents.lock();
        let files = contents.files.range((from, Bound::Unbounded));
        let finished = files.filter(|(_, state)| matches!(state, FileState::Kept { .. }));
        finished.map(|(name, _)| name.clone()).take(most).collect()
    }

    /// Shows the name of each file.
    pub fn each_name(&self, mut visit: impl FnMut(&str)) {
        let contents = self.contents.lock();
        let finished = contents
            .files
            .iter()
            .filter(|(_, state)| matches!(state, FileState::Kept { .. }));
        finished.for_each(|(name, _)| visit(name));
    }

    /// The next that are meant behind this name, at most `limit`: `look` looks into those whose name `may_be_meant`.
    pub fn page<T>(
        &self,
        after: Option<&str>,
        limit: usize,
        may_be_meant: impl Fn(&str) -> bool,
        mut look: impl FnMut(&str) -> io::Result<Option<T>>,
    ) -> io::Result<Page<T>> {
        let mut entries = Vec::new();
        let mut last = after.map(str::to_owned);
        let mut looks = 0;
        loop {
            let names = self.names_after(last.as_deref(), NAMES_AT_ONCE);
            if names.is_empty() {
                return Ok(Page {
                    entries,
                    next: None,
                });
            }

            for name in names {
                if entries.len() == limit || looks == LOOKS_MAX {
                    return Ok(Page {
                        entries,
                        next: last,
                    });
                }
                if may_be_meant(&name) {
                    looks += 1;
                    entries.extend(look(&name)?.map(|entry| (name.clone(), entry)));
                }
                last = Some(name);
            }
        }
    }

    /// Every name that was there when this began.
    pub fn each(&self, mut see: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let Some(end) = self.last_name() else {
            return Ok(());
        };

        let mut last = None;
        loop {
            let names = self.names_after(last.as_deref(), NAMES_AT_ONCE);
            let within = names.iter().filter(|name| **name <= end);
            within.map(String::as_str).try_for_each(&mut see)?;

            last = match names.into_iter().next_back() {
                Some(name) if name < end => Some(name),
                _ => return Ok(()),
            };
        }
    }
}
