//! Values that must never be printed. A [`Secret`] shows in `Debug` only that it is there; other values lose their passwords before they
//! stand in a message.

use std::fmt;

use serde_json::Value;

/// Settings of a destination that only the environment may hold: neither the file nor a flag.
const SECRETS: [&str; 2] = ["secret_access_key", "password"];

pub(crate) fn is_secret(key: &str) -> bool {
    let of_destination = key
        .strip_prefix("send.")
        .and_then(|rest| rest.split_once('.'));
    of_destination.is_some_and(|(_, setting)| SECRETS.contains(&setting))
}

/// A value for a message, without secrets: a text before an `@` may be a user and password, with or without a scheme.
pub(crate) fn shown(key: &str, value: &Value) -> String {
    let text = value.to_string();
    if is_secret(key) {
        return "***".to_owned();
    }
    let Some((before, after)) = text.rsplit_once('@') else {
        return text;
    };

    let quote = if value.is_string() { "\"" } else { "" };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://***@{after}"),
        None => format!("{quote}***@{after}"),
    }
}

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "***" })
    }
}
