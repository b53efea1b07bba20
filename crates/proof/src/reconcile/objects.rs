//! What lies in the store against what the messages say lies there.
//!
//! Promises: a picture falls into one finding; a link that claims an object which is not there (dangling) outweighs all that
//! other messages say of the same picture. Deliberately ignores objects that no ledger knows: a store holds years of others.

use std::collections::{HashMap, HashSet};

use super::expected::{Expected, ExpectedPicture, Index, Marks, hash};
use super::recording::Delivered;
use super::report::StoreReport;
use boxbridge_event::PictureState;

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    pub key: String,
    pub bytes: u64,
    /// Of the content, where it was read.
    pub sha256: Option<String>,
}

/// What does not fit into a picture's own entry: further keys of the same content, which are rare.
#[derive(Default)]
pub struct Objects {
    found: HashSet<(Index, u32)>,
    claims: HashMap<(Index, u32), Marks>,
    verified: u64,
}

impl Objects {
    /// Notes what a message says of its pictures.
    pub fn claim(&mut self, expected: &mut Expected, delivered: &Delivered) {
        use PictureState::{Dropped, Missing, NotStored};

        for said in delivered.pictures.values() {
            let sha256 = said.sha256.as_deref();
            let Some(index) = sha256.and_then(|it| expected.find_picture(it)) else {
                continue;
            };
            let Some(picture) = expected.pictures.get_mut(index as usize) else {
                continue;
            };

            let mark = match (said.stored, said.state) {
                (Some(true), _) => Marks::CLAIMED,
                (_, Some(Dropped | NotStored | Missing)) => Marks::GIVEN_UP,
                _ => Marks::PENDING,
            };
            let key = said.key.as_deref().map_or(0, hash);
            if picture.claimed_key == 0 || picture.claimed_key == key {
                picture.claimed_key = key;
                picture.marks.set(mark);
            } else {
                self.claims.entry((index, key)).or_default().set(mark);
            }
        }
    }

    /// Notes an object that is there.
    pub fn found(&mut self, expected: &mut Expected, object: &StoredObject) {
        let Some(name) = sha256_of(&object.key) else {
            return;
        };
        let Some(index) = expected.find_picture(name) else {
            return;
        };
        let Some(picture) = expected.pictures.get_mut(index as usize) else {
            return;
        };

        let key = hash(&object.key);
        if picture.found_key == 0 {
            picture.found_key = key;
        } else {
            self.found.insert((index, key));
        }

        self.verified += u64::from(object.sha256.is_some());
        let is_other = object
            .sha256
            .as_deref()
            .is_some_and(|content| content != name);
        if is_other || object.bytes != u64::from(picture.bytes) {
            picture.marks.set(Marks::WRONG);
        }
    }

    pub fn conclude(&self, expected: &Expected) -> StoreReport {
        let mut report = StoreReport {
            verified: self.verified,
            ..StoreReport::default()
        };

        for (index, picture) in (0..).zip(&expected.pictures) {
            let is_expected = picture.marks.has(Marks::EXPECTED);
            report.expected += u64::from(is_expected);

            let name = || describe(expected, picture);
            if self.is_there(index, picture, picture.claimed_key) {
                report.stored += u64::from(is_expected);
                if picture.marks.has(Marks::WRONG) {
                    report.wrong.add(name);
                }
            } else if let Some(finding) = absent(&mut report, picture.marks) {
                finding.add(name);
            }
        }

        let mut claims: Vec<_> = self.claims.iter().collect();
        claims.sort_by_key(|((index, key), _)| (*index, *key));
        for ((index, key), marks) in claims {
            let Some(picture) = expected.pictures.get(*index as usize) else {
                continue;
            };
            if self.is_there(*index, picture, *key) {
                continue;
            }
            if let Some(finding) = absent(&mut report, *marks) {
                finding.add(|| describe(expected, picture));
            }
        }
        report
    }

    /// Under this key, or under any where no message gave one.
    fn is_there(&self, index: Index, picture: &ExpectedPicture, key: u32) -> bool {
        match key {
            0 => picture.found_key != 0,
            key => picture.found_key == key || self.found.contains(&(index, key)),
        }
    }
}

/// What it is called that such a picture is not there; nothing, where neither ledger nor messages count on it.
fn absent(report: &mut StoreReport, marks: Marks) -> Option<&mut super::report::Finding> {
    if marks.has(Marks::CLAIMED) {
        Some(&mut report.dangling)
    } else if marks.has(Marks::GIVEN_UP) {
        Some(&mut report.given_up)
    } else if marks.has(Marks::PENDING) {
        Some(&mut report.pending)
    } else {
        marks.has(Marks::EXPECTED).then_some(&mut report.lost)
    }
}

fn describe(expected: &Expected, picture: &ExpectedPicture) -> String {
    let event = expected
        .events
        .get(picture.event as usize)
        .map(|event| event.marker.to_string())
        .unwrap_or_default();
    format!("{:016x}… of event {event}", picture.sha256)
}

/// The content hash that a key ends in: `scene/2026/11/22/ab12….jpg`.
pub fn sha256_of(key: &str) -> Option<&str> {
    let name = key.rsplit('/').next()?;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    (stem.len() == 64).then_some(stem)
}
