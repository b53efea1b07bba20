//! Ledger + arrivals + objects → the verdict. Pure: no clock, no IO, nothing async.
//!
//! Promises: the order in which recordings and objects come does not matter; each destination has books of its own, and an event
//! counts once in each finding of a bus, however often it came. An event that was not acknowledged is nobody's to lose, and its
//! place in the order is not known: it is neither lost nor reordered. Deliberately judges only what was looked at: a bus that was
//! not listened to is not in the report.

use std::collections::BTreeMap;

use super::Error;
use super::recording::{Arrival, Recorded};
use super::report::Report;
use super::rules::{BusRules, Rules};
use crate::simulate::Entry;
use boxbridge_config::STORE;

mod bus_witness; // what one bus has shown of each event
mod claims; // what the messages say of the pictures
mod compare; // what was delivered against what was sent, field by field
mod expected; // the ledger in memory
mod stand_ins; // what stands for what a route leaves out
mod store_witness; // what one store has shown of each picture

pub use store_witness::StoredObject;

use bus_witness::BusWitness;
use claims::Claims;
use expected::{Expected, Found};
use stand_ins::StandIns;
use store_witness::StoreWitness;

/// The whole verdict at once, where everything is in memory and there is one store; the command streams its files through a [`Judge`].
pub fn judge(
    rules: Rules,
    ledger: impl IntoIterator<Item = Entry>,
    arrivals: impl IntoIterator<Item = Recorded>,
    objects: Option<Vec<StoredObject>>,
) -> Result<Report, Error> {
    let mut judge = Judge::new(rules);
    ledger.into_iter().for_each(|entry| judge.expect(&entry));
    for line in arrivals {
        judge.line(&line)?;
    }

    if let Some(objects) = objects {
        judge.look_at_store(STORE);
        objects
            .iter()
            .for_each(|object| judge.object(STORE, object));
    }
    Ok(judge.into_report())
}

pub struct Judge {
    rules: Rules,
    expected: Expected,
    /// By the names of their destinations.
    buses: BTreeMap<String, BusWitness>,
    stores: BTreeMap<String, StoreWitness>,
    claims: Claims,
    stand_ins: StandIns,
    warnings: Vec<String>,
}

const NOTHING_TO_LOSE: &str = "no event of the ledger was acknowledged: there was nothing to lose";

impl Judge {
    pub fn new(rules: Rules) -> Judge {
        Judge {
            stand_ins: StandIns::of(rules.redact_key.clone()),
            rules,
            expected: Expected::default(),
            buses: BTreeMap::new(),
            stores: BTreeMap::new(),
            claims: Claims::default(),
            warnings: Vec::new(),
        }
    }

    /// Takes a line of a ledger. All of them come before the first arrival.
    pub fn expect(&mut self, entry: &Entry) {
        if !self.expected.add(entry) {
            let marker = entry.marker;
            self.warn(format!(
                "event {marker} of the ledger cannot be: it is left out"
            ));
        }
    }

    /// Puts something into the report that weakens the verdict.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Takes a line of a recording. Errors for a bus without rules: nobody can say what it should have received.
    pub fn line(&mut self, line: &Recorded) -> Result<(), Error> {
        let bus = line.bus();
        if !self.buses.contains_key(bus) {
            let rules = self.rules.bus(bus).cloned();
            let rules = rules.ok_or_else(|| Error::UnknownBus(bus.to_owned()))?;
            self.buses.insert(bus.to_owned(), BusWitness::new(rules));
        }
        let Some(witness) = self.buses.get_mut(bus) else {
            return Ok(());
        };

        match line {
            Recorded::Listening(_) | Recorded::Back(_) => witness.is_away = false,
            Recorded::Away(_) => witness.is_away = true,
            Recorded::Gap(_) => witness.gaps += 1,
            Recorded::Foreign(_) => witness.foreign(),
            Recorded::Arrival(arrival) => {
                let Judge {
                    rules,
                    expected,
                    claims,
                    stand_ins,
                    ..
                } = self;
                take(arrival, rules, (expected, stand_ins), claims, witness);
            }
        }
        Ok(())
    }

    /// From now on the pictures of this store are judged: those that no [`Judge::object`] shows are not there.
    pub fn look_at_store(&mut self, store: &str) {
        self.stores.entry(store.to_owned()).or_default();
    }

    pub fn object(&mut self, store: &str, object: &StoredObject) {
        if let Some(witness) = self.stores.get_mut(store) {
            witness.found(&self.expected, object);
        }
    }

    /// Whether this is the key of a picture in the ledger. Only those need to be read.
    pub fn knows(&self, key: &str) -> bool {
        store_witness::sha256_of(key)
            .is_some_and(|sha256| self.expected.find_picture(sha256).is_some())
    }

    pub fn into_report(self) -> Report {
        let Judge {
            rules,
            expected,
            buses,
            stores,
            claims,
            warnings,
            ..
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

        for (bus, witness) in buses {
            report.warnings.extend(gaps(&bus, witness.gaps));
            report.warnings.extend(unmarked(&bus, &witness.rules));
            report.buses.insert(bus, witness.conclude(&expected));
        }
        for (store, witness) in stores {
            let claims = (store == STORE).then_some(&claims);
            let found = witness.conclude(&store, &rules, &expected, claims);
            report.add_store(store, found);
        }
        report.doubt_the_silent();
        report
    }
}

fn take(
    arrival: &Arrival,
    rules: &Rules,
    (expected, stand_ins): (&mut Expected, &mut StandIns),
    claims: &mut Claims,
    witness: &mut BusWitness,
) {
    let index = match expected.find(arrival.marker) {
        Found::Event(index) => index as usize,
        Found::Unexpected => return witness.unexpected(arrival),
        Found::Foreign => return witness.foreign(),
    };

    if let Some(delivered) = &arrival.event {
        claims.note(expected, delivered);
    }
    let Some(person_type) = expected.events.get(index).map(|event| event.person_type) else {
        return;
    };
    let redaction = witness.rules.redaction(person_type);
    let wrong = compare::differences(expected, index, arrival, redaction, stand_ins);

    if let Some(event) = expected.events.get(index) {
        let lane = rules.lane(event.person_type, event.feed);
        witness.arrival(expected, index, arrival, lane, &wrong);
    }
}

fn unmarked(bus: &str, rules: &BusRules) -> Option<String> {
    rules.hides_markers().then(|| {
        format!(
            "{bus}: a route leaves extra out, and with it the marker of simulated events: they count as foreign, and as lost"
        )
    })
}

fn gaps(bus: &str, gaps: u64) -> Option<String> {
    (gaps > 0).then(|| {
        format!(
            "{bus}: the subscriber lost its own session ({gaps} times): what is missing may have been missed by it"
        )
    })
}
