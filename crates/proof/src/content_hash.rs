//! How a picture is recognised: the SHA-256 of its bytes, as 64 hex digits.

use sha2::{Digest, Sha256};

/// Of these bytes.
pub fn of(content: &[u8]) -> String {
    written(&Sha256::digest(content))
}

/// A finished digest, as it is written.
pub fn written(digest: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    digest
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
