//! What the messages say of the pictures in the store: there, still to come, or given up; and under which key.
//!
//! Promises: memory for a picture's usual key only; another key for the same content is rare, and costs an entry here. Deliberately
//! takes the messages at their word: [`super::store_witness`] knows better.

use std::collections::HashMap;

use super::expected::{Expected, Index, Marks, hash};
use crate::reconcile::recording::{Delivered, DeliveredPicture};
use boxbridge_event::PictureState;

#[derive(Default)]
pub struct Claims {
    /// Under further keys of the same content.
    further: HashMap<(Index, u32), Marks>,
}

impl Claims {
    /// Notes what a message says of its pictures.
    pub fn note(&mut self, expected: &mut Expected, delivered: &Delivered) {
        for said in delivered.pictures.values() {
            let sha256 = said.sha256.as_deref();
            let Some(index) = sha256.and_then(|it| expected.find_picture(it)) else {
                continue;
            };
            let Some(picture) = expected.pictures.get_mut(index as usize) else {
                continue;
            };

            let key = said.key.as_deref().map_or(0, hash);
            if picture.claimed_key == 0 || picture.claimed_key == key {
                picture.claimed_key = key;
                picture.marks.set(mark(said));
            } else {
                let marks = self.further.entry((index, key)).or_default();
                marks.set(mark(said));
            }
        }
    }

    /// The claims under further keys: picture, hash of the key, and what was said; in a fixed order.
    pub fn further(&self) -> Vec<(Index, u32, Marks)> {
        let claims = self.further.iter();
        let mut claims: Vec<_> = claims
            .map(|((index, key), marks)| (*index, *key, *marks))
            .collect();
        claims.sort_by_key(|(index, key, _)| (*index, *key));
        claims
    }
}

fn mark(said: &DeliveredPicture) -> Marks {
    use PictureState::{Dropped, Missing, NotStored};

    match (said.stored, said.state) {
        (Some(true), _) => Marks::CLAIMED,
        (_, Some(Dropped | NotStored | Missing)) => Marks::GIVEN_UP,
        _ => Marks::PENDING,
    }
}
