//! Act or record: until when one may act on an event, and the revision, which tells the two apart.
//!
//! Promises: the one follows from the other ([`Act::revision`]), so no message says "live" by the one and "record" by the other.

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{Revision, Timestamp};

/// Until when one may act on an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Act {
    /// Not accepted yet, or accepted before this was kept with the event: its route judges when it is sent.
    #[default]
    Undecided,
    Before(Timestamp),
    /// For the record only.
    Never,
}

/// SHA-256 of what a box said of a match, however it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigest(pub [u8; 32]);

impl Act {
    pub(crate) fn is_undecided(&self) -> bool {
        *self == Act::Undecided
    }

    /// Of a match with this content.
    pub(crate) fn revision(self, content: &ContentDigest) -> Revision {
        match self {
            Act::Before(_) => Revision::live(content),
            Act::Never | Act::Undecided => Revision::record(content),
        }
    }
}

impl Revision {
    /// Of a content that one may act on.
    pub fn live(content: &ContentDigest) -> Revision {
        Revision::of("live", content)
    }

    /// Of the same content for the record.
    pub fn record(content: &ContentDigest) -> Revision {
        Revision::of("record", content)
    }

    fn of(word: &str, content: &ContentDigest) -> Revision {
        let [first, second, third, fourth, ..]: [u8; 32] =
            Sha256::digest(format!("{word}\n{}", content.to_hex())).into();
        Revision(u32::from_be_bytes([first, second, third, fourth]))
    }
}

impl ContentDigest {
    /// 64 hex digits.
    pub fn to_hex(self) -> String {
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
        let mut text = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        text
    }
}

/// `null` for the record; an event that is undecided has no such member at all.
impl Serialize for Act {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Act::Before(moment) => moment.serialize(serializer),
            Act::Never | Act::Undecided => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Act {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Act, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Act::Never, Act::Before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by other means: `printf 'live\n%064d' 0 | sha256sum`.
    #[test]
    fn a_revision_can_be_made_again_from_the_contract() {
        let content = ContentDigest([0; 32]);
        assert_eq!(Revision::live(&content).to_string(), "cd3998b3");
        assert_eq!(Revision::record(&content).to_string(), "a54adb1f");
    }
}
