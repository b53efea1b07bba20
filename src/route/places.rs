//! Where pictures lie, as text: how an object's key becomes a `uri` and a link.

use std::path::Path;

use super::topic::encode_segment;
use crate::config::{Store, StoreUrl};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// With a slash at its end, as the next.
    uri: String,
    url: Option<String>,
}

impl Places {
    /// For a file store, `root` is the absolute path of its folder: what the setting says may be relative, and it is not for this
    /// stage to ask where the process stands.
    pub fn new(store: &Store, root: &Path) -> Places {
        let uri = match &store.url {
            StoreUrl::File(_) => format!("file://{}/", encode_path(root).trim_end_matches('/')),
            StoreUrl::S3(bucket) if bucket.prefix.is_empty() => format!("s3://{}/", bucket.name),
            StoreUrl::S3(bucket) => format!("s3://{}/{}/", bucket.name, bucket.prefix),
        };
        Places { uri, url: store.public_url.as_ref().map(|url| format!("{}/", url.trim_end_matches('/'))) }
    }

    /// Keys are our own and hold nothing that a URI would encode.
    pub(super) fn uri(&self, key: &str) -> String {
        format!("{}{key}", self.uri)
    }

    pub(super) fn url(&self, key: &str) -> Option<String> {
        self.url.as_ref().map(|url| format!("{url}{key}"))
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
