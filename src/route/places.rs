//! Where pictures lie, as text: what an object is called in the store, its `uri` and a link.
//!
//! A record knows a picture by its name alone, which its content gives; what stands before it is the store's, as it is configured when
//! the record is sent. So a backlog that outlives a change of the store leads nobody to where nothing lies.

use std::path::Path;

use super::topic::encode_segment;
use crate::config::{Store, StoreUrl};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// What every key begins with: nothing, or with a slash at its end, as the next.
    prefix: String,
    uri: String,
    url: Option<String>,
}

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
        Places { uri: uri + &prefix, url, prefix }
    }

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
