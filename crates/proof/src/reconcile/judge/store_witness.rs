//! What one store has shown of each picture, against the ledger and against what the messages say lies there.
//!
//! Promises: a picture falls into one finding; a message that claims an object which is not there (dangling) outweighs all that
//! other messages say of the same picture. Messages speak of one store only; of a copy, a picture is there or lost. Deliberately
//! ignores objects that no ledger knows: a store holds years of others.

use std::collections::HashSet;

use super::claims::Claims;
use super::expected::{Expected, ExpectedPicture, Index, Marks, hash};
use crate::reconcile::report::{Finding, StoreReport};
use crate::reconcile::rules::Rules;

/// An object as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    pub key: String,
    pub bytes: u64,
    /// Of the content, where it was read.
    pub sha256: Option<String>,
}

#[derive(Default)]
pub struct StoreWitness {
    /// Per picture of the ledger, the hash of the first key that it was found under; 0 = none.
    found: Vec<u32>,
    /// Per picture, whether its object has another size or content.
    is_wrong: Vec<bool>,
    /// Further keys of the same content, which are rare.
    further: HashSet<(Index, u32)>,
    verified: u64,
}

impl StoreWitness {
    /// Notes an object that is there.
    pub fn found(&mut self, expected: &Expected, object: &StoredObject) {
        self.cover(expected);
        let Some(name) = sha256_of(&object.key) else {
            return;
        };
        let Some(index) = expected.find_picture(name) else {
            return;
        };
        let Some(picture) = expected.pictures.get(index as usize) else {
            return;
        };

        let key = hash(&object.key);
        match self.found.get_mut(index as usize) {
            Some(first) if *first == 0 => *first = key,
            _ => drop(self.further.insert((index, key))),
        }

        self.verified += u64::from(object.sha256.is_some());
        let content = object.sha256.as_deref();
        let is_other = content.is_some_and(|content| content != name);
        if let Some(is_wrong) = self.is_wrong.get_mut(index as usize) {
            *is_wrong |= is_other || object.bytes != u64::from(picture.bytes);
        }
    }

    /// What is not there is known only at the end. `claims` are of the store that messages speak of; a copy has none.
    pub fn conclude(
        mut self,
        store: &str,
        rules: &Rules,
        expected: &Expected,
        claims: Option<&Claims>,
    ) -> StoreReport {
        self.cover(expected);
        let mut report = StoreReport {
            verified: self.verified,
            ..StoreReport::default()
        };

        let wanted = wanted(store, rules, expected);
        for (index, (picture, is_wanted)) in (0..).zip(expected.pictures.iter().zip(wanted)) {
            let (key, marks) = match claims {
                Some(_) => (picture.claimed_key, picture.marks),
                None => (0, Marks::default()),
            };
            let is_there = self.is_there(index, key);
            report.expected += u64::from(is_wanted);
            report.stored += u64::from(is_wanted && is_there);

            let is_wrong = self.is_wrong.get(index as usize) == Some(&true);
            let finding = match is_there {
                true => is_wrong.then_some(&mut report.wrong),
                false => absent(&mut report, marks, is_wanted),
            };
            if let Some(finding) = finding {
                finding.add(|| describe(expected, picture));
            }
        }

        let further = claims.map(Claims::further).unwrap_or_default();
        self.conclude_further(&mut report, expected, further);
        report
    }

    /// Each further key must lead to an object of its own: another copy of the content does not repair its link.
    fn conclude_further(
        &self,
        report: &mut StoreReport,
        expected: &Expected,
        claims: Vec<(Index, u32, Marks)>,
    ) {
        for (index, key, marks) in claims {
            let picture = expected.pictures.get(index as usize);
            let picture = picture.filter(|_| !self.is_there(index, key));

            if let Some(picture) = picture
                && let Some(finding) = absent(report, marks, false)
            {
                finding.add(|| describe(expected, picture));
            }
        }
    }

    /// The ledger is complete before the first object.
    fn cover(&mut self, expected: &Expected) {
        self.found.resize(expected.pictures.len(), 0);
        self.is_wrong.resize(expected.pictures.len(), false);
    }

    /// Under this key, or under any for key 0.
    fn is_there(&self, index: Index, key: u32) -> bool {
        let first = self.found.get(index as usize).copied().unwrap_or(0);
        match key {
            0 => first != 0,
            key => first == key || self.further.contains(&(index, key)),
        }
    }
}

/// Per picture, whether an acknowledged event that shows it has its pictures put into this store.
fn wanted(store: &str, rules: &Rules, expected: &Expected) -> Vec<bool> {
    let mut wanted = vec![false; expected.pictures.len()];
    let acknowledged = expected.events.iter().filter(|event| event.is_acknowledged);
    let stored = acknowledged.filter(|event| rules.stores_pictures(store, event.person_type));

    for index in stored.flat_map(|event| event.pictures()) {
        if let Some(is_wanted) = wanted.get_mut(index as usize) {
            *is_wanted = true;
        }
    }
    wanted
}

/// The finding for an absent object; `None` if neither messages nor ledger expect it.
fn absent(report: &mut StoreReport, marks: Marks, is_wanted: bool) -> Option<&mut Finding> {
    if marks.has(Marks::CLAIMED) {
        Some(&mut report.dangling)
    } else if marks.has(Marks::GIVEN_UP) {
        Some(&mut report.given_up)
    } else if marks.has(Marks::PENDING) {
        Some(&mut report.pending)
    } else {
        is_wanted.then_some(&mut report.lost)
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
