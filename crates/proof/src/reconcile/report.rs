//! The verdict: how many of what, with a few examples of each; for people as a [`table`], for machines as JSON.
//!
//! Promises: each destination has books of its own; the counts are complete, however few examples are kept. Deliberately says what
//! was not looked at, and judges it neither way.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::destination::BusKind;
use boxbridge_config::STORE;

mod table; // as a table for people

/// Enough to start looking; the counts are complete.
const EXAMPLES_MAX: usize = 10;

/// The result of `boxbridge reconcile`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Events in the ledger, and how many of them were answered 200.
    pub sent: u64,
    pub acknowledged: u64,
    /// By the names of their destinations.
    pub buses: BTreeMap<String, BusReport>,
    /// The store that messages speak of; `None` where it was not looked at.
    pub store: Option<StoreReport>,
    /// Its copies: the stores of other names.
    pub copies: BTreeMap<String, StoreReport>,
    /// Destinations that are on in the config, and were not looked at.
    pub not_judged: Vec<String>,
    /// What weakens the verdict.
    pub warnings: Vec<String>,
}

/// What came through one bus. Everything counts events, not messages, but for `messages` and `foreign`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BusReport {
    pub kind: BusKind,
    pub messages: u64,
    /// Acknowledged, and routed here.
    pub expected: u64,
    /// Of those, arrived.
    pub received: u64,
    /// Acknowledged and not arrived.
    pub lost: Finding,
    /// Another field, id, picture or topic than was sent.
    pub wrong: Finding,
    /// On a live topic without `act_before`, or kept by the broker for later subscribers.
    pub stale: Finding,
    /// Came more than once with the same id and revision, replays aside.
    pub duplicated: Finding,
    /// First came after a later one of the same device, lane and topic kind.
    pub reordered: Finding,
    /// Real-time, and first came on the late topic.
    pub late: Finding,
    /// Not acknowledged, delivered all the same: committed after its box had given up.
    pub unacknowledged: Finding,
    /// With a marker of a ledger's run that the ledger does not have.
    pub unexpected: Finding,
    /// Came as a marked replay.
    pub replayed: Finding,
    /// Not simulate's, or of a run without a ledger here.
    pub foreign: u64,
    /// Why what is lost here may not be.
    pub doubt: Option<Doubt>,
}

/// Why nobody can say whether the gateway lost what is missing on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The bus was out of reach when the listening ended.
    Away,
    /// It gave nothing at all, while another destination has events of the ledger. Brokers let a client subscribe to what it may not read.
    Silent,
}

/// What lies in the store. Everything counts pictures by content.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StoreReport {
    /// Of acknowledged events, each content once.
    pub expected: u64,
    /// Of those, there.
    pub stored: u64,
    /// Read and hashed.
    pub verified: u64,
    /// Not there, and no message says anything of it; of a copy, which no message speaks of, all that are not there.
    pub lost: Finding,
    /// `stored` true in a message, and no object.
    pub dangling: Finding,
    /// The object's size or content is not what was sent.
    pub wrong: Finding,
    /// `stored` false in the messages, and no object yet.
    pub pending: Finding,
    /// The messages say that it will not come: `missing`, `not_stored`, `dropped`.
    pub given_up: Finding,
}

/// A count and the first few that make it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub count: u64,
    pub examples: Vec<String>,
}

impl Finding {
    pub fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

/// Which findings make the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Nothing acknowledged is lost, no link leads nowhere, nothing is other than it was sent, nothing stale is live.
    Usual,
    /// And each came exactly once, in order, with its pictures.
    Strict,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Fails,
    FailsStrictly,
    /// It may be as it should.
    Counts,
}

/// One row of a destination's books.
struct Row<'a> {
    name: &'static str,
    weight: Weight,
    finding: &'a Finding,
}

impl Report {
    /// Takes the books of a store of this name.
    pub(super) fn add_store(&mut self, name: String, store: StoreReport) {
        match name == STORE {
            true => self.store = Some(store),
            false => drop(self.copies.insert(name, store)),
        }
    }

    /// To be called when all books are closed.
    pub(super) fn doubt_the_silent(&mut self) {
        let has_pictures = self.stores().any(|(_, store)| store.stored > 0);
        let has_events = self.buses.values().any(|bus| bus.received > 0);
        for (name, bus) in &mut self.buses {
            if bus.messages > 0 || bus.lost.count == 0 {
                continue;
            }
            self.warnings.push(bus.may_we_read(name));
            if has_pictures || has_events {
                bus.doubt.get_or_insert(Doubt::Silent);
            }
        }
    }

    pub fn passes(&self) -> bool {
        self.failures(Strictness::Usual).is_empty() && self.doubts().is_empty()
    }

    pub fn passes_strictly(&self) -> bool {
        self.failures(Strictness::Strict).is_empty() && self.doubts().is_empty()
    }

    /// Whether nothing failed, and yet nobody can say that all went well.
    pub fn is_undecided(&self, strictness: Strictness) -> bool {
        self.failures(strictness).is_empty() && !self.doubts().is_empty()
    }

    /// Why there is no verdict: `mqtt was out of reach at the end`.
    fn doubts(&self) -> Vec<String> {
        let doubt = |(name, bus): (&String, &BusReport)| match bus.doubt? {
            Doubt::Away => Some(format!("{name} was out of reach at the end")),
            Doubt::Silent => Some(format!("{name} gave nothing at all")),
        };
        self.buses.iter().filter_map(doubt).collect()
    }

    /// In a word.
    pub fn verdict(&self, strictness: Strictness) -> &'static str {
        if self.sent == 0 {
            return "not judged: no event in a ledger";
        }
        if self.is_undecided(strictness) {
            return "no verdict";
        }
        match (self.passes(), strictness, self.passes_strictly()) {
            (true, Strictness::Usual, _) | (true, _, true) => "passed",
            (true, Strictness::Strict, false) => "FAILED: --strict",
            (false, ..) => "FAILED",
        }
    }

    /// Why the verdict is not better: `mqtt 3 lost`. A ledger of which nothing was acknowledged proves nothing, nor does one that
    /// was compared with nothing.
    fn failures(&self, strictness: Strictness) -> Vec<String> {
        let mut failures = Vec::new();
        if self.sent > 0 && self.acknowledged == 0 {
            failures.push("nothing was acknowledged".to_owned());
        }
        if self.sent > 0 && !self.is_compared() {
            failures.push("nothing was compared".to_owned());
        }

        for (name, rows) in self.books() {
            let failing = rows.iter().filter(|row| row.fails(strictness));
            let counts = failing.map(|row| format!("{name} {} {}", row.finding.count, row.name));
            failures.extend(counts);
        }
        failures
    }

    /// The names of the destinations that were looked at.
    pub fn judged(&self) -> BTreeSet<&str> {
        self.books().into_iter().map(|(name, _)| name).collect()
    }

    fn is_compared(&self) -> bool {
        !self.buses.is_empty() || self.stores().next().is_some()
    }

    /// The store that messages speak of, then its copies.
    fn stores(&self) -> impl Iterator<Item = (&str, &StoreReport)> {
        let first = self.store.iter().map(|store| (STORE, store));
        let copies = self.copies.iter();
        first.chain(copies.map(|(name, store)| (name.as_str(), store)))
    }

    fn books(&self) -> Vec<(&str, Vec<Row<'_>>)> {
        let buses = self.buses.iter();
        let buses = buses.map(|(name, bus)| (name.as_str(), bus.rows()));
        let stores = self.stores().map(|(name, store)| (name, store.rows()));
        buses.chain(stores).collect()
    }
}

impl Row<'_> {
    fn fails(&self, strictness: Strictness) -> bool {
        let matters = match self.weight {
            Weight::Fails => true,
            Weight::FailsStrictly => strictness == Strictness::Strict,
            Weight::Counts => false,
        };
        matters && self.finding.count > 0
    }
}

fn row<'a>(name: &'static str, weight: Weight, finding: &'a Finding) -> Row<'a> {
    Row {
        name,
        weight,
        finding,
    }
}

impl BusReport {
    /// Said where not one message came.
    fn may_we_read(&self, name: &str) -> String {
        let asked = format!("{name}: not one message came. May this user read there?");
        match self.kind {
            BusKind::Mqtt => format!(
                "{asked} A broker lets anyone subscribe and sends nothing of what its ACL denies, and a gateway's user needs \
                 only to write. Another one: --set send.{name}.username=USER --set send.{name}.password_file=FILE"
            ),
            BusKind::Kafka => asked,
        }
    }

    fn rows(&self) -> Vec<Row<'_>> {
        use Weight::{Counts, Fails, FailsStrictly};
        let lost = match self.doubt {
            Some(_) => Counts,
            None => Fails,
        };
        vec![
            row("lost", lost, &self.lost),
            row("wrong", Fails, &self.wrong),
            row("stale", Fails, &self.stale),
            row("duplicated", FailsStrictly, &self.duplicated),
            row("reordered", FailsStrictly, &self.reordered),
            row("late", Counts, &self.late),
            row("unacknowledged", Counts, &self.unacknowledged),
            row("unexpected", FailsStrictly, &self.unexpected),
            row("replayed", Counts, &self.replayed),
        ]
    }
}

impl StoreReport {
    fn rows(&self) -> Vec<Row<'_>> {
        use Weight::{Fails, FailsStrictly};
        vec![
            row("lost", Fails, &self.lost),
            row("dangling", Fails, &self.dangling),
            row("wrong", Fails, &self.wrong),
            row("pending", FailsStrictly, &self.pending),
            row("given up", FailsStrictly, &self.given_up),
        ]
    }
}
