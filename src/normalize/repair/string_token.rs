//! A string in a text, and the bytes that it was decoded from.

use memchr::memchr;

pub(super) struct StringToken<'t, 'r> {
    /// The places of its quotes.
    pub from: usize,
    pub to: usize,
    pub inside: &'t str,
    /// The raw bytes between the quotes, if the text was decoded.
    pub raw: Option<&'r [u8]>,
    /// It contains half of a surrogate pair.
    pub has_half: bool,
}

impl StringToken<'_, '_> {
    /// The bytes between its quotes, as they were sent.
    pub fn sent(&self) -> &[u8] {
        self.raw.unwrap_or(self.inside.as_bytes())
    }

    /// Whether the repaired string differs from the sent bytes.
    pub fn is_changed(&self) -> bool {
        self.has_half || self.sent() != self.inside.as_bytes()
    }
}

/// The bytes that a text was decoded from. They are walked in step with it, from quote to quote: in every encoding that is repaired a
/// byte of that value is always a quote.
pub(super) struct Raw<'r> {
    pub bytes: &'r [u8],
    pub at: usize,
}

impl Raw<'_> {
    /// Steps past the next quote and returns its place.
    pub fn quote(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let quote = memchr(b'"', rest).map_or(self.bytes.len(), |found| self.at + found);
        self.at = quote + 1;
        quote
    }
}
