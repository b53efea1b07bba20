//! Ledger + arrivals + objects → the verdict. Pure: no clock, no IO, nothing async.
//!
//! Promises: in which order the buses' recordings and the objects are looked at does not matter; an event counts once in each
//! finding per bus, however often it came. What is not acknowledged is nobody's to lose, and its place in the order is not
//! known, so it is neither lost nor reordered. Deliberately judges only what was looked at: a bus that was not listened to is
//! not in the report.

use std::collections::BTreeMap;

use super::bus::Bus;
use super::compare;
use super::expected::{Expected, Found};
use super::objects::{self, Objects, StoredObject};
use super::recording::{Arrival, Recorded};
use super::report::Report;
use super::rules::Rules;
use super::witness::Witness;
use crate::simulate::Entry;

/// The whole verdict at once, for who has everything in memory; the command streams its files through a [`Judge`].
pub fn judge(
    rules: Rules,
    ledger: impl IntoIterator<Item = Entry>,
    arrivals: impl IntoIterator<Item = Recorded>,
    objects: Option<Vec<StoredObject>>,
) -> Report {
    let mut judge = Judge::new(rules);
    ledger.into_iter().for_each(|entry| judge.expect(&entry));
    arrivals.into_iter().for_each(|line| judge.line(&line));
    if let Some(objects) = objects {
        judge.look_at_store();
        objects.iter().for_each(|object| judge.object(object));
    }
    judge.into_report()
}

pub struct Judge {
    rules: Rules,
    expected: Expected,
    witnesses: BTreeMap<Bus, Witness>,
    objects: Objects,
    store: Store,
    warnings: Vec<String>,
}

/// Whether the store takes part in the verdict.
#[derive(PartialEq, Eq)]
enum Store {
    Ignored,
    LookedAt,
}

impl Judge {
    pub fn new(rules: Rules) -> Judge {
        Judge {
            rules,
            expected: Expected::default(),
            witnesses: BTreeMap::new(),
            objects: Objects::default(),
            store: Store::Ignored,
            warnings: Vec::new(),
        }
    }

    /// Takes a line of a ledger. All of them come before the first arrival.
    pub fn expect(&mut self, entry: &Entry) {
        let stores_pictures = self.rules.stores_pictures(entry.person_type);
        if !self.expected.add(entry, stores_pictures) {
            self.warn(format!(
                "event {} of the ledger cannot be: it is left out",
                entry.marker
            ));
        }
    }

    /// Puts something into the report that weakens the verdict.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Takes a line of a recording.
    pub fn line(&mut self, line: &Recorded) {
        match line {
            Recorded::Listening(bus) => {
                self.witnesses.entry(*bus).or_default();
            }
            Recorded::Gap(bus) => self.witnesses.entry(*bus).or_default().gaps += 1,
            Recorded::Foreign(bus) => self.witnesses.entry(*bus).or_default().foreign(),
            Recorded::Arrival(arrival) => self.arrival(arrival),
        }
    }

    /// From now on pictures are judged: those that no [`Judge::object`] shows are not there.
    pub fn look_at_store(&mut self) {
        self.store = Store::LookedAt;
    }

    pub fn object(&mut self, object: &StoredObject) {
        self.objects.found(&mut self.expected, object);
    }

    /// Whether a picture of the ledger would have such a key: the content of others need not be read.
    pub fn knows(&self, key: &str) -> bool {
        objects::sha256_of(key).is_some_and(|sha256| self.expected.find_picture(sha256).is_some())
    }

    fn arrival(&mut self, arrival: &Arrival) {
        let witness = self.witnesses.entry(arrival.bus).or_default();
        let place = match self.expected.find(arrival.marker) {
            Found::Event(place) => place as usize,
            Found::Unexpected => return witness.unexpected(arrival),
            Found::Foreign => return witness.foreign(),
        };
        if let Some(delivered) = &arrival.event {
            self.objects.claim(&mut self.expected, delivered);
        }
        let wrong = compare::differences(&mut self.expected, place, arrival);
        let Some(event) = self.expected.events.get(place) else {
            return;
        };
        let lane = self.rules.lane(event.person_type, event.feed);
        witness.arrival(&self.expected, place, arrival, lane, &wrong);
    }

    pub fn into_report(self) -> Report {
        let Judge {
            rules,
            expected,
            witnesses,
            objects,
            store,
            warnings,
        } = self;
        let acknowledged = expected
            .events
            .iter()
            .filter(|event| event.is_acknowledged)
            .count() as u64;
        let mut report = Report {
            sent: expected.events.len() as u64,
            acknowledged,
            warnings,
            ..Report::default()
        };
        if report.sent > 0 && report.acknowledged == 0 {
            report.warnings.push(
                "no event of the ledger was acknowledged: there was nothing to lose".to_owned(),
            );
        }
        for (bus, witness) in witnesses {
            if witness.gaps > 0 {
                let (bus, gaps) = (bus.as_str(), witness.gaps);
                report.warnings.push(format!(
                    "{bus}: the subscriber lost its own session ({gaps} times): what is missing may have been missed by it"
                ));
            }
            report
                .buses
                .insert(bus, witness.conclude(bus, &rules, &expected));
        }
        report.store = (store == Store::LookedAt).then(|| objects.conclude(&expected));
        report
    }
}
