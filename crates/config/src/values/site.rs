//! What the name of a site may be.

/// `[a-z0-9-]{1,32}`; also what `?site=` of a URL must be.
pub fn is_site(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
