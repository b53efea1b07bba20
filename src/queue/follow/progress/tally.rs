//! Records by what became of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use boxbridge_event::Outcome;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub delivered: u64,
    pub set_aside: u64,
    /// By rule.
    pub expired: BTreeMap<String, u64>,
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.delivered + self.set_aside + self.expired_total()
    }

    /// By whatever rule.
    pub fn expired_total(&self) -> u64 {
        self.expired.values().sum()
    }

    pub(super) fn add(&mut self, outcome: Outcome, records: u64) {
        match outcome {
            Outcome::Delivered => self.delivered += records,
            Outcome::SetAside => self.set_aside += records,
            Outcome::Expired { rule } => {
                *self.expired.entry(rule.to_owned()).or_default() += records
            }
        }
    }
}
