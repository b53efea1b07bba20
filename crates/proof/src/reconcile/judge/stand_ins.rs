//! What a route puts in the place of what it leaves out: whether it is what the contract says.
//!
//! Promises: an id that should have been left out is never right; the same event, and the same person, has the same stand-in wherever it
//! arrives. With the key of the settings, the stand-ins of events are made here a second time, and not with the gateway's own code. Deliberately
//! makes none of people: the ledger in memory has a hash of who they are.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::expected::{ExpectedEvent, hash};
use crate::reconcile::recording::Delivered;
use boxbridge_config::Secret;
use boxbridge_event::{EventId, Revision};

#[derive(Default)]
pub struct StandIns {
    /// `None`: each gateway has made one for itself, and the first arrival of an event says what its stand-ins are.
    key: Option<Secret>,
    /// By the event's place in the ledger.
    ids: HashMap<usize, EventId>,
    /// The same, for the live one and the one for the record.
    revisions: HashMap<(usize, bool), Revision>,
    /// By the hash of who it is.
    people: HashMap<u32, u32>,
}

/// As the contract says: 32 hex digits.
const PERSON_DIGITS: usize = 32;

impl StandIns {
    pub fn of(key: Option<Secret>) -> StandIns {
        StandIns {
            key,
            ..StandIns::default()
        }
    }

    pub fn is_id(&mut self, index: usize, event: &ExpectedEvent, said: Option<EventId>) -> bool {
        let Some(said) = said.filter(|said| Some(*said) != event.id) else {
            return false;
        };
        let made = event.id.and_then(|id| self.sign(&id.to_string()));
        let made = made.map(|bytes| EventId(uuid::Uuid::new_v8(bytes).into_bytes()));
        *self.ids.entry(index).or_insert(made.unwrap_or(said)) == said
    }

    /// A replay repeats either.
    pub fn is_revision(&mut self, index: usize, event: &ExpectedEvent, said: &Delivered) -> bool {
        let (Some(revision), is_live) = (said.revision, said.act_before.is_some()) else {
            return false;
        };
        if said.replay {
            return true;
        }

        let sent = event.revisions.of(is_live);
        let signed = event.id.zip(sent).and_then(|(id, sent)| {
            let signed = self.sign(&format!("revision {id} {sent}"))?;
            signed.first_chunk().map(|first| u32::from_be_bytes(*first))
        });
        let made = signed.map_or(revision, Revision);
        *self.revisions.entry((index, is_live)).or_insert(made) == revision
    }

    pub fn is_person(&mut self, event: &ExpectedEvent, said: Option<&str>) -> bool {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_one = |said: &&str| said.len() == PERSON_DIGITS && said.bytes().all(is_digit);
        let Some(said) = said.filter(is_one).map(hash) else {
            return said.is_none() && event.is_nobody();
        };
        *self.people.entry(event.identity).or_insert(said) == said
    }

    /// The first half of the HMAC.
    fn sign(&self, message: &str) -> Option<[u8; 16]> {
        let key = self.key.as_ref()?.expose().as_bytes();
        let mut hmac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        hmac.update(message.as_bytes());
        hmac.finalize().into_bytes().first_chunk().copied()
    }
}
