//! A picture's key → where people and programs find it.
//!
//! Promises: pure text; a key is appended as it is, since keys are made of `a-z 0-9 / .` only.

use crate::config::{self, StoreUrl};

/// What a key is put behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    uri: String,
    url: Option<String>,
}

impl Places {
    pub fn of(config: &config::Store) -> Places {
        let uri = match &config.url {
            StoreUrl::File(root) => {
                let root = std::path::absolute(root).unwrap_or_else(|_| root.clone());
                format!("file://{}/", percent_encoded(root.as_os_str().as_encoded_bytes()).trim_end_matches('/'))
            }
            StoreUrl::S3(bucket) if bucket.prefix.is_empty() => format!("s3://{}/", bucket.name),
            StoreUrl::S3(bucket) => format!("s3://{}/{}/", bucket.name, percent_encoded(bucket.prefix.as_bytes())),
        };
        let url = config.public_url.as_ref().map(|url| format!("{}/", url.trim_end_matches('/')));
        Places { uri, url }
    }

    /// Where it lies: `file:///…` or `s3://…`.
    pub fn uri(&self, key: &str) -> String {
        format!("{}{key}", self.uri)
    }

    /// The link that people can open, where the operator gave one.
    pub fn url(&self, key: &str) -> Option<String> {
        self.url.as_ref().map(|url| format!("{url}{key}"))
    }
}

fn percent_encoded(path: &[u8]) -> String {
    path.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_an_odd_name_is_still_a_uri() {
        let url = StoreUrl::File("/srv/bild er/100%#1".into());
        let config = config::Store {
            url,
            public_url: Some("https://pictures.example/faces/".to_owned()),
            concurrency: 1,
            timeout: std::time::Duration::ZERO,
            keep: std::time::Duration::ZERO,
            max_bytes: 0,
        };
        let places = Places::of(&config);
        assert_eq!(places.uri("scene/a.jpg"), "file:///srv/bild%20er/100%25%231/scene/a.jpg");
        assert_eq!(places.url("scene/a.jpg").as_deref(), Some("https://pictures.example/faces/scene/a.jpg"));
    }
}
