//! Where pictures lie, as text: what an object is called in the store, its `uri` and a link.
//!
//! A record knows a picture by its name alone, which its content gives; what stands before it is the store's, as it is configured when
//! the record is sent. Promises: where the store has moved, what the one before had settled is still looked for there, so no record of a
//! backlog or a replay leads to where nothing lies.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::topic::encode_segment;
use crate::config::{Store, StoreUrl};
use crate::event::{Lane, PersonType, Sequence};

/// Of each lane and person type, by their numbers: all records up to this one.
pub type Through = [[u64; PersonType::ALL.len()]; Lane::ALL.len()];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    now: Base,
    /// Those before, the oldest first.
    before: Vec<Former>,
}

/// What stands before a picture's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// Of its key: nothing, or with a slash at its end, as the next.
    prefix: String,
    uri: String,
    url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    base: Base,
    settled: Through,
}

/// Stores that are remembered: nobody moves more often while records wait.
const FORMER_MAX: usize = 8;

impl Places {
    /// For a file store, `root` is the absolute path of its folder: what the setting says may be relative, and it is not for this
    /// stage to ask where the process stands. For a bucket, `prefix` is as the store writes it.
    pub fn new(store: &Store, root: &Path, prefix: &str) -> Places {
        let (prefix, uri) = match &store.url {
            StoreUrl::File(_) => (String::new(), format!("file://{}/", encode_path(root).trim_end_matches('/'))),
            StoreUrl::S3(bucket) if prefix.is_empty() => (String::new(), format!("s3://{}/", bucket.name)),
            StoreUrl::S3(bucket) => (format!("{prefix}/"), format!("s3://{}/", bucket.name)),
        };
        let url = store.public_url.as_ref().map(|url| format!("{}/{}", url.trim_end_matches('/'), encode_path(Path::new(&prefix))));
        Places { now: Base { uri: uri + &prefix, url, prefix }, before: Vec::new() }
    }

    /// The same, knowing where pictures lay at the last start, what the store has settled by now, and the oldest record that there is.
    pub fn after(self, last: Places, settled: Through, oldest: Sequence) -> Places {
        let Places { now, mut before } = last;
        if now.uri != self.now.uri {
            before.push(Former { base: now, settled });
        }
        before.retain(|former| former.settled.iter().flatten().any(|through| *through >= oldest.0));
        before.drain(..before.len().saturating_sub(FORMER_MAX));
        Places { before, ..self }
    }

    pub fn has_moved_from(&self, last: &Places) -> bool {
        self.now.uri != last.now.uri
    }

    /// Where the pictures of a record lie, or will lie.
    pub(super) fn of(&self, sequence: Sequence, lane: Lane, person_type: PersonType) -> &Base {
        let is_in = |former: &&Former| {
            let of_lane = former.settled.get(usize::from(lane.number()));
            of_lane.and_then(|types| types.get(usize::from(person_type.number()))).is_some_and(|through| sequence.0 <= *through)
        };
        self.before.iter().find(is_in).map_or(&self.now, |former| &former.base)
    }
}

impl Base {
    /// The whole name in the store. The names of pictures are our own and hold nothing that a URI would encode.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn uri(&self, name: &str) -> String {
        format!("{}{name}", self.uri)
    }

    pub(super) fn url(&self, name: &str) -> Option<String> {
        self.url.as_ref().map(|url| format!("{url}{name}"))
    }
}

fn encode_path(path: &Path) -> String {
    let mut uri = String::new();
    for (index, segment) in path.to_string_lossy().split('/').enumerate() {
        if index > 0 {
            uri.push('/');
        }
        encode_segment(segment, &mut uri);
    }
    uri
}
