//! Which record a connection keeps dying on.
//!
//! A record is found out only if the connection died three times with it alone inside, its successor then passed, and it died once more on
//! the record alone: everything else is the connection's own trouble. Only for destinations where a payload can end a connection.

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
    /// Its successor has passed: it is tried once more, alone.
    is_confirming: bool,
    condemned: Option<Sequence>,
}

impl Suspicion {
    /// The record to hold back until another has passed.
    pub fn held_back(&self) -> Option<Sequence> {
        self.suspect.filter(|_| !self.is_confirming)
    }

    /// The record that is to be the only one in the session.
    pub fn to_confirm(&self) -> Option<Sequence> {
        self.suspect.filter(|_| self.is_confirming)
    }

    /// The record that is to be set aside when it is read again.
    pub fn condemned(&self) -> Option<Sequence> {
        self.condemned
    }

    /// The condemned record is set aside.
    pub fn close(&mut self) {
        *self = Suspicion::default();
    }

    /// Whether records are to be tried one by one.
    pub fn is_cautious(&self) -> bool {
        self.is_confirming || self.losses_without_progress >= LOSSES_BEFORE_CAUTION
    }

    /// The session died with these in it.
    pub fn loss(&mut self, submitted: &BTreeSet<Sequence>) {
        let was_cautious = self.is_cautious();
        self.losses_without_progress += 1;
        let (true, Some(only), 1) = (was_cautious, submitted.first().copied(), submitted.len()) else { return };
        match self.suspect {
            Some(suspect) if self.is_confirming && suspect == only => self.condemned = Some(suspect),
            // Its successor died as well: it is the connection, not the record.
            Some(suspect) if suspect != only => {
                *self = Suspicion { losses_without_progress: self.losses_without_progress, ..Suspicion::default() };
            }
            _ => {
                let deaths = self.deaths.entry(only).or_default();
                *deaths += 1;
                if *deaths >= DEATHS_BEFORE_SUSPICION {
                    self.suspect = Some(only);
                }
            }
        }
    }

    /// A record was taken.
    pub fn progress(&mut self, sequence: Sequence) {
        match self.suspect {
            Some(suspect) if suspect != sequence => self.is_confirming = true,
            _ => self.close(),
        }
    }
}
