//! An http(s) address without anything secret: it stands in logs and events.

use url::Url;

/// Why a text is no such address.
pub(crate) fn problem(text: &str) -> Option<&'static str> {
    let parsed = Url::parse(text)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    match parsed {
        None => Some("must begin with http:// or https://, and name a host"),
        Some(_) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Some("holds a blank or a line end")
        }
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("must not hold a user or password")
        }
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            Some("must end before ? and #")
        }
        Some(_) => None,
    }
}
