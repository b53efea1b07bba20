//! Set-aside records that a filter means: by pages, counted, and removed.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::{Aside, AsideFilter, AsideHead, Name};
use crate::gateway::kept::Page;

/// How many a filter means, and where they were to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AsideCounts {
    pub records: u64,
    pub destinations: BTreeMap<String, u64>,
}

impl AsideCounts {
    fn add(&mut self, name: &str) {
        let destination = Name::of(name).map_or("", |name| name.destination);
        self.records += 1;
        *self.destinations.entry(destination.to_owned()).or_default() += 1;
    }
}

impl Aside {
    /// The next that are meant behind this name, at most `limit`, the oldest of a log first. Reads their first lines.
    pub fn page(
        &self,
        filter: &AsideFilter,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<Page<AsideHead>> {
        let may_mean = |name: &str| filter.may_mean(name);
        let look = |name: &str| self.meant(filter, name);
        self.folder.page(after, limit, may_mean, look)
    }

    /// How many are meant. Reads no file where names tell.
    pub fn count(&self, filter: &AsideFilter) -> io::Result<AsideCounts> {
        let mut counts = AsideCounts::default();
        self.folder.each(|name| {
            if self.is_meant(filter, name)? {
                counts.add(name);
            }
            Ok(())
        })?;
        Ok(counts)
    }

    /// Removes all that are meant; how many those were.
    pub fn drop_all(&self, filter: &AsideFilter) -> io::Result<AsideCounts> {
        let mut counts = AsideCounts::default();
        let dropped = self.folder.each(|name| {
            if self.is_meant(filter, name)? && self.remove(name)? {
                counts.add(name);
            }
            Ok(())
        });
        self.folder.sync()?;
        dropped?;
        Ok(counts)
    }

    /// Whether a filter means this one. Reads its head where that is needed.
    pub fn is_meant(&self, filter: &AsideFilter, name: &str) -> io::Result<bool> {
        if !filter.may_mean(name) {
            return Ok(false);
        }
        Ok(filter.needs_names_only() || self.meant(filter, name)?.is_some())
    }

    fn meant(&self, filter: &AsideFilter, name: &str) -> io::Result<Option<AsideHead>> {
        let head = match self.head(name) {
            // Somebody has written into it: it is not ours any more.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            head => head?,
        };
        Ok(head.filter(|head| filter.means(head)))
    }
}
