//! Where pictures lie, as text: an object's key in the store, its `uri` and a link.
//!
//! A record holds only a picture's name, which comes from its content. The part before the name is the store's, as it is configured when
//! the record is sent. Promises: after the store has moved, pictures that the former store settled are still looked for there, so no
//! record of a backlog or a replay points to an empty place.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::topic::encode_segment;
use boxbridge_config::{Store, StoreUrl};
use boxbridge_event::{Lane, PersonType, Sequence};

/// For each lane and person type, by their numbers: a sequence up to which all records are meant.
pub type Through = [[u64; PersonType::ALL.len()]; Lane::ALL.len()];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureLocations {
    now: Base,
    /// The former stores, the oldest first.
    before: Vec<Former>,
}

/// The part before a picture's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// The beginning of its key: empty, or ending in a slash. So do the others.
    prefix: String,
    uri: String,
    url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    base: Base,
    settled: Through,
}

/// How many former stores are remembered: nobody moves more often while records wait.
const FORMER_MAX: usize = 8;

impl PictureLocations {
    /// For a file store, `root` is the absolute path of its folder: the setting may be relative, and this stage must not ask for the
    /// working directory. For a bucket, `prefix` is as the store writes it.
    pub fn new(store: &Store, root: &Path, prefix: &str) -> PictureLocations {
        let (prefix, uri) = match &store.url {
            StoreUrl::File(_) => {
                let root = encode_path(root);
                let uri = format!("file://{}/", root.trim_end_matches('/'));
                (String::new(), uri)
            }
            StoreUrl::S3(bucket) => {
                let slash = if prefix.is_empty() { "" } else { "/" };
                (format!("{prefix}{slash}"), format!("s3://{}/", bucket.name))
            }
        };

        let folder = encode_path(Path::new(&prefix));
        let url = store.public_url.as_ref();
        let url = url.map(|url| format!("{}/{folder}", url.trim_end_matches('/')));
        let uri = uri + &prefix;
        PictureLocations {
            now: Base { prefix, uri, url },
            before: Vec::new(),
        }
    }

    /// Adds the former stores: where pictures lay at the last start, what has been settled since, and the oldest record there is.
    pub fn after(
        self,
        last: PictureLocations,
        settled: Through,
        oldest: Sequence,
    ) -> PictureLocations {
        let PictureLocations { now, mut before } = last;
        if now.uri != self.now.uri {
            before.push(Former { base: now, settled });
        }

        before.retain(|former| {
            let mut settled = former.settled.iter().flatten();
            settled.any(|through| *through >= oldest.0)
        });
        before.drain(..before.len().saturating_sub(FORMER_MAX));
        PictureLocations { before, ..self }
    }

    /// The same places, with the links that other settings of the same store make of them.
    pub fn linked_as(&self, configured: PictureLocations) -> PictureLocations {
        PictureLocations {
            now: configured.now,
            before: self.before.clone(),
        }
    }

    pub fn has_moved_from(&self, last: &PictureLocations) -> bool {
        self.now.uri != last.now.uri
    }

    /// Whether it is where pictures go now.
    pub(super) fn is_now(&self, base: &Base) -> bool {
        std::ptr::eq(base, &self.now)
    }

    /// Where a record's pictures lie or will lie.
    pub(super) fn of(&self, sequence: Sequence, lane: Lane, person_type: PersonType) -> &Base {
        let is_in = |former: &&Former| {
            let of_lane = former.settled.get(usize::from(lane.number()));
            of_lane
                .and_then(|types| types.get(usize::from(person_type.number())))
                .is_some_and(|through| sequence.0 <= *through)
        };
        self.before
            .iter()
            .find(is_in)
            .map_or(&self.now, |former| &former.base)
    }
}

impl Base {
    /// The whole key in the store. Pictures' names are our own and need no encoding in a URI.
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
