//! Which record a connection keeps dying on.
//!
//! A record is found out only if the connection died three times with it alone inside, and its successor then passed: everything else is
//! the connection's own trouble.

use std::collections::{BTreeSet, HashMap};

use crate::event::Sequence;

/// Losses without an answer in between after which records are tried one by one.
const LOSSES_BEFORE_CAUTION: u32 = 3;
const DEATHS_BEFORE_SUSPICION: u32 = 3;

#[derive(Default)]
pub struct Suspicion {
    losses_without_progress: u32,
    deaths: HashMap<Sequence, u32>,
    suspect: Option<Sequence>,
}

impl Suspicion {
    /// The record to hold back until another has passed.
    pub fn suspect(&self) -> Option<Sequence> {
        self.suspect
    }

    /// Whether records are to be tried one by one.
    pub fn is_cautious(&self) -> bool {
        self.losses_without_progress >= LOSSES_BEFORE_CAUTION
    }

    /// The session died with these in it.
    pub fn loss(&mut self, submitted: &BTreeSet<Sequence>) {
        let was_cautious = self.is_cautious();
        self.losses_without_progress += 1;
        let (true, Some(only), 1) = (was_cautious, submitted.first().copied(), submitted.len()) else { return };
        if self.suspect.is_some_and(|suspect| suspect != only) {
            // Its successor died as well: it is the connection, not the record.
            *self = Suspicion { losses_without_progress: self.losses_without_progress, ..Suspicion::default() };
            return;
        }
        let deaths = self.deaths.entry(only).or_default();
        *deaths += 1;
        if *deaths >= DEATHS_BEFORE_SUSPICION {
            self.suspect = Some(only);
        }
    }

    /// A record was taken. Returns the suspect, if this was another.
    pub fn progress(&mut self, sequence: Sequence) -> Option<Sequence> {
        let found = self.suspect.filter(|suspect| *suspect != sequence);
        *self = Suspicion::default();
        found
    }
}
