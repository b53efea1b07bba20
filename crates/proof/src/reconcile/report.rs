//! The verdict: how many of what, with a few examples of each, as a table for people and as JSON for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::bus::Bus;

/// Enough to start looking; the counts are complete.
const EXAMPLES_MAX: usize = 10;

/// The result of `boxbridge reconcile`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Events in the ledger, and how many of them were answered 200.
    pub sent: u64,
    pub acknowledged: u64,
    pub buses: BTreeMap<Bus, BusReport>,
    /// `None` where the store was not looked at.
    pub store: Option<StoreReport>,
    /// What weakens the verdict.
    pub warnings: Vec<String>,
}

/// What came through one bus. Everything counts events, not messages, but for `messages` and `foreign`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BusReport {
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
    /// Not there, and no message says anything of it.
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

impl Report {
    /// Nothing acknowledged is lost, no link leads nowhere, nothing is other than it was sent, nothing stale is live. A ledger of
    /// which nothing was acknowledged proves nothing, and does not pass; nor does one that was compared with nothing.
    pub fn passes(&self) -> bool {
        let is_compared = !self.buses.is_empty() || self.store.is_some();
        let is_proof = self.sent == 0 || (self.acknowledged > 0 && is_compared);

        let bus = |bus: &BusReport| none(&[&bus.lost, &bus.wrong, &bus.stale]);
        let store = |store: &StoreReport| none(&[&store.lost, &store.dangling, &store.wrong]);
        is_proof && self.buses.values().all(bus) && self.store.as_ref().is_none_or(store)
    }

    /// In a word.
    pub fn verdict(&self) -> &'static str {
        match (self.sent, self.passes()) {
            (0, _) => "not judged: no event in a ledger",
            (_, true) => "passed",
            (_, false) => "FAILED",
        }
    }

    /// As [`Report::passes`], and each exactly once, in order, with its pictures.
    pub fn passes_strictly(&self) -> bool {
        let bus = |bus: &BusReport| none(&[&bus.duplicated, &bus.reordered, &bus.unexpected]);
        let store = |store: &StoreReport| none(&[&store.pending, &store.given_up]);
        self.passes() && self.buses.values().all(bus) && self.store.as_ref().is_none_or(store)
    }
}

fn none(findings: &[&Finding]) -> bool {
    findings.iter().all(|finding| finding.count == 0)
}

impl BusReport {
    fn findings(&self) -> [(&'static str, &Finding); 9] {
        [
            ("lost", &self.lost),
            ("wrong", &self.wrong),
            ("stale", &self.stale),
            ("duplicated", &self.duplicated),
            ("reordered", &self.reordered),
            ("late", &self.late),
            ("unacknowledged", &self.unacknowledged),
            ("unexpected", &self.unexpected),
            ("replayed", &self.replayed),
        ]
    }
}

impl StoreReport {
    fn findings(&self) -> [(&'static str, &Finding); 5] {
        [
            ("lost", &self.lost),
            ("dangling", &self.dangling),
            ("wrong", &self.wrong),
            ("pending", &self.pending),
            ("given up", &self.given_up),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            sent, acknowledged, ..
        } = self;
        writeln!(
            f,
            "ledger            {sent} events sent, {acknowledged} acknowledged"
        )?;

        for (name, bus) in &self.buses {
            let BusReport {
                received,
                expected,
                messages,
                foreign,
                ..
            } = bus;
            let counts = format!("{received} of {expected} received, {messages} messages");
            writeln!(f, "\n{:<18}{counts}, {foreign} foreign", name.as_str())?;
            rows(f, &bus.findings())?;
        }

        if let Some(store) = &self.store {
            let StoreReport {
                stored,
                expected,
                verified,
                ..
            } = store;
            let counts = format!("{stored} of {expected} pictures stored");
            writeln!(
                f,
                "\nstore             {counts}, {verified} read and compared"
            )?;
            rows(f, &store.findings())?;
        }

        for warning in &self.warnings {
            writeln!(f, "\nwarning           {warning}")?;
        }
        if self.sent > 0 && self.buses.is_empty() && self.store.is_none() {
            let warning = "nothing was listened to, and no store looked at: nothing was compared";
            writeln!(f, "\nwarning           {warning}")?;
        }

        write!(f, "\n{}", self.verdict())
    }
}

fn rows(f: &mut fmt::Formatter<'_>, findings: &[(&'static str, &Finding)]) -> fmt::Result {
    for (name, finding) in findings {
        writeln!(f, "  {name:<16}{}", finding.count)?;
        for example in &finding.examples {
            writeln!(f, "    {example}")?;
        }
    }
    Ok(())
}
