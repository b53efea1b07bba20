//! A string of a text, and the bytes that it was decoded from.

use memchr::memchr;

pub(super) struct Found<'t, 'r> {
    /// The places of its quotes.
    pub from: usize,
    pub to: usize,
    pub inside: &'t str,
    /// What stands between the quotes of the raw bytes, where the text was decoded.
    pub raw: Option<&'r [u8]>,
    /// It has half of a surrogate pair.
    pub has_half: bool,
}

impl Found<'_, '_> {
    /// Between its quotes, as it was sent.
    pub fn sent(&self) -> &[u8] {
        self.raw.unwrap_or(self.inside.as_bytes())
    }

    /// Whether that is not what it will be.
    pub fn is_changed(&self) -> bool {
        self.has_half || self.sent() != self.inside.as_bytes()
    }
}

/// The bytes that a text was decoded from, walked through in step with it, from quote to quote: in every encoding that is taken a
/// byte of that value is a quote and nothing else.
pub(super) struct Raw<'r> {
    pub bytes: &'r [u8],
    pub at: usize,
}

impl Raw<'_> {
    /// The place of the next quote.
    pub fn quote(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let quote = memchr(b'"', rest).map_or(self.bytes.len(), |found| self.at + found);
        self.at = quote + 1;
        quote
    }
}
