//! Stand-ins for what could be computed back: HMAC-SHA-256 of it, so nobody without the key can try values until one fits.
//!
//! Promises: every gateway that has the key makes the same of the same. An event's stand-in is the UUIDv8 of the first 16 bytes of the HMAC over its id as it is
//! written, so `boxbridge trace` can look for it.

use ring::hmac;

use boxbridge_config::Redaction;
use boxbridge_event::document::Meaning;
use boxbridge_event::{Event, EventId, Revision};

#[derive(Clone, Debug)]
pub struct RedactKey(hmac::Key);

impl RedactKey {
    pub fn new(secret: &[u8]) -> RedactKey {
        RedactKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What stands for an event's id.
    pub fn id(&self, id: EventId) -> EventId {
        let bytes = self.sign(&id.to_string());
        EventId(uuid::Uuid::new_v8(bytes).into_bytes())
    }

    /// What stands for a person's id: 32 hex digits.
    pub(super) fn identity(&self, id: &str) -> String {
        let bytes = self.sign(&format!("identity {id}"));
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    /// Gives `copy` an id and a revision that do not tell what was left out of `event`: both are hashes of more than what is left.
    pub(super) fn rename(&self, copy: &mut Event, event: &Event, redaction: &Redaction) {
        if redaction.hides(Meaning::IdentityId) || event.is_anonymous() {
            copy.id = self.id(event.id);
        }

        let bytes = self.sign(&format!("revision {} {}", event.id, event.revision));
        let (first, _) = bytes.split_first_chunk().unwrap_or((&[0; 4], &[]));
        copy.revision = Revision(u32::from_be_bytes(*first));
    }

    /// The first half of the HMAC.
    fn sign(&self, message: &str) -> [u8; 16] {
        let signature = hmac::sign(&self.0, message.as_bytes());
        let first = signature.as_ref().first_chunk();
        first.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s 9aae3514-0e54-8b80-9228-eae740333229 | openssl dgst -sha256 -hmac KEY`, of which version and variant are set.
    #[test]
    fn a_stand_in_can_be_made_again_by_who_has_the_key() {
        let key = RedactKey::new(b"0123456789abcdef0123456789abcdef");
        let id = "9aae3514-0e54-8b80-9228-eae740333229".parse().unwrap();
        assert_eq!(
            key.id(id).to_string(),
            "78720f5d-120a-82dc-97f1-a98476094f38"
        );
        assert_eq!(key.identity("666666"), "06927a26345d5a3d1f8c07da78a3cdec");
    }
}
