//! Ledger + arrivals + objects → the verdict. Pure: no clock, no IO, nothing async.
//!
//! Promises: in which order the buses' recordings and the objects are looked at does not matter; an event counts once in each
//! finding per bus, however often it came. An event that was not acknowledged is nobody's to lose, and its place in the order is
//! not known: it is neither lost nor reordered. Deliberately judges only what was looked at: a bus that was not listened to is
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

/// The whole verdict at once, where everything is in memory; the command streams its files through a [`Judge`].
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
    pictures: Pictures,
    warnings: Vec<String>,
}

/// Whether the pictures in the store take part in the verdict.
#[derive(PartialEq, Eq)]
enum Pictures {
    Ignored,
    Judged,
}

const NOTHING_TO_LOSE: &str = "no event of the ledger was acknowledged: there was nothing to lose";

impl Judge {
    pub fn new(rules: Rules) -> Judge {
        Judge {
            rules,
            expected: Expected::default(),
            witnesses: BTreeMap::new(),
            objects: Objects::default(),
            pictures: Pictures::Ignored,
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
        self.pictures = Pictures::Judged;
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
        let index = match self.expected.find(arrival.marker) {
            Found::Event(index) => index as usize,
            Found::Unexpected => return witness.unexpected(arrival),
            Found::Foreign => return witness.foreign(),
        };

        if let Some(delivered) = &arrival.event {
            self.objects.claim(&mut self.expected, delivered);
        }
        let wrong = compare::differences(&mut self.expected, index, arrival);

        let Some(event) = self.expected.events.get(index) else {
            return;
        };
        let lane = self.rules.lane(event.person_type, event.feed);
        witness.arrival(&self.expected, index, arrival, lane, &wrong);
    }

    pub fn into_report(self) -> Report {
        let Judge {
            rules,
            expected,
            witnesses,
            objects,
            pictures,
            warnings,
        } = self;
        let events = &expected.events;
        let acknowledged = events.iter().filter(|event| event.is_acknowledged).count();
        let mut report = Report {
            sent: events.len() as u64,
            acknowledged: acknowledged as u64,
            warnings,
            ..Report::default()
        };
        if report.sent > 0 && report.acknowledged == 0 {
            report.warnings.push(NOTHING_TO_LOSE.to_owned());
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

        report.store = (pictures == Pictures::Judged).then(|| objects.conclude(&expected));
        report
    }
}
