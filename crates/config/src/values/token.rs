//! Tokens by their hashes: what is kept of one, and how a token that is shown is compared.
//!
//! Promises: no token can be found from what is kept: it has 128 bits of chance and more. A comparison takes the same time whatever is shown.

use sha2::{Digest, Sha256};

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

pub fn token_hash(token: &[u8]) -> TokenHash {
    Sha256::digest(token).into()
}

/// Looks at every byte, whatever was shown.
pub fn is_same_token(one: &TokenHash, other: &TokenHash) -> bool {
    let pairs = one.iter().zip(other);
    let differing = pairs.fold(0, |all, (one, other)| all | (one ^ other));
    std::hint::black_box(differing) == 0
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn from_hex(text: &str) -> Option<TokenHash> {
    let mut hash = TokenHash::default();
    let is_hex = text.len() == 2 * hash.len() && text.bytes().all(|it| it.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }

    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_read_and_is_the_same_as_itself_alone() {
        let hash = token_hash(b"token");
        assert_eq!(from_hex(&hex(&hash)), Some(hash));
        assert!(hex(&hash).starts_with("3c469e9d6c5875d3"));

        assert!(is_same_token(&hash, &hash));
        for byte in 0..hash.len() {
            let mut other = hash;
            other[byte] ^= 1;
            assert!(!is_same_token(&hash, &other), "{byte}");
        }
        for text in ["", "3c", &"é".repeat(32), &"+a".repeat(32)] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
