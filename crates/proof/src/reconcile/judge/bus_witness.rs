//! What one bus has shown of each event: one byte an event, and the highest sequence per order.
//!
//! Promises: an event counts once in each finding, however often it came. Deliberately knows nothing of the other buses.

use std::collections::HashMap;
use std::sync::Arc;

use super::expected::{Expected, ExpectedEvent, Index, hash};
use crate::reconcile::destination::{BusKind, Stream};
use crate::reconcile::recording::Arrival;
use crate::reconcile::report::{BusReport, Doubt};
use crate::reconcile::rules::{BusRules, Order};
use boxbridge_event::{Feed, Lane};

pub struct BusWitness {
    /// How often the subscriber lost its session.
    pub gaps: u64,
    /// Whether the bus was out of reach at the end, as far as one has heard.
    pub is_away: bool,
    pub rules: Arc<BusRules>,
    report: BusReport,
    /// Per event of the ledger.
    seen: Vec<Seen>,
    highest: HashMap<InOrder, u32>,
}

/// Events with the same key must first arrive in the order they were sent. Two runs have the same device addresses, but their
/// sequences are unrelated.
#[derive(PartialEq, Eq, Hash)]
struct InOrder {
    run: u32,
    device: Index,
    lane: Lane,
    stream: Stream,
    /// The part of a lane that the bus keeps in order; 0 = the whole.
    part: u32,
}

/// What an event has already counted as, one bit each.
#[derive(Clone, Copy, Default)]
struct Seen(u8);

impl Seen {
    const ARRIVED: u8 = 1;
    /// Arrived, and not as a replay: for the record, or live.
    const SENT: u8 = 2;
    const SENT_LIVE: u8 = 64;
    const DUPLICATED: u8 = 4;
    const WRONG: u8 = 8;
    const STALE: u8 = 16;
    const REPLAYED: u8 = 32;

    /// Whether this is the first time.
    fn mark(&mut self, mark: u8) -> bool {
        let is_first = self.0 & mark == 0;
        self.0 |= mark;
        is_first
    }
}

impl BusWitness {
    pub fn new(rules: Arc<BusRules>) -> BusWitness {
        BusWitness {
            gaps: 0,
            is_away: false,
            report: BusReport {
                kind: rules.kind,
                ..BusReport::default()
            },
            rules,
            seen: Vec::new(),
            highest: HashMap::new(),
        }
    }

    /// A message of somebody else.
    pub fn foreign(&mut self) {
        self.report.messages += 1;
        self.report.foreign += 1;
    }

    /// An event that the ledger should have and has not.
    pub fn unexpected(&mut self, arrival: &Arrival) {
        self.report.messages += 1;
        self.report
            .unexpected
            .add(|| format!("event {} on {}", arrival.marker, arrival.topic));
    }

    /// An event of the ledger; `wrong` are the fields in which it differs.
    pub fn arrival(
        &mut self,
        expected: &Expected,
        index: usize,
        arrival: &Arrival,
        lane: Lane,
        wrong: &[String],
    ) {
        self.report.messages += 1;
        self.seen.resize(expected.events.len(), Seen::default());
        let Some(event) = expected.events.get(index) else {
            return;
        };
        let Some(seen) = self.seen.get_mut(index) else {
            return;
        };

        let report = &mut self.report;
        let name = || describe(expected, event);
        if seen.mark(Seen::ARRIVED) && !event.is_acknowledged {
            report.unacknowledged.add(name);
        }
        if !wrong.is_empty() && seen.mark(Seen::WRONG) {
            let fields = wrong.join(", ");
            report.wrong.add(|| format!("{}: {fields}", name()));
        }
        if is_stale(self.rules.kind, arrival) && seen.mark(Seen::STALE) {
            let topic = &arrival.topic;
            report.stale.add(|| format!("{} on {topic}", name()));
        }

        if !arrival.is_replay() {
            self.sent(expected, index, arrival, lane);
        } else if seen.mark(Seen::REPLAYED) {
            report.replayed.add(name);
        }
    }

    /// An event that is no replay: whether it came once, in time and in order.
    fn sent(&mut self, expected: &Expected, index: usize, arrival: &Arrival, lane: Lane) {
        let Some(event) = expected.events.get(index) else {
            return;
        };
        let Some(seen) = self.seen.get_mut(index) else {
            return;
        };

        // What history told first still rings when it comes live.
        let delivered = arrival.event.as_ref();
        let is_live = delivered.is_none_or(|delivered| delivered.act_before.is_some());
        let is_first = seen.0 & (Seen::SENT | Seen::SENT_LIVE) == 0;
        let is_repeated = !seen.mark(if is_live { Seen::SENT_LIVE } else { Seen::SENT });
        if is_repeated && seen.mark(Seen::DUPLICATED) {
            self.report.duplicated.add(|| describe(expected, event));
        }

        let feed = delivered.and_then(|delivered| delivered.feed);
        let is_history = feed.unwrap_or(event.feed) == Feed::History;
        if !is_repeated && arrival.stream == Stream::Late && !is_history {
            self.report.late.add(|| describe(expected, event));
        }

        if is_first && event.is_acknowledged {
            self.order(expected, event, arrival, lane);
        }
    }

    fn order(&mut self, expected: &Expected, event: &ExpectedEvent, arrival: &Arrival, lane: Lane) {
        let order = InOrder {
            run: event.marker.run,
            device: event.device,
            lane,
            stream: arrival.stream,
            part: match self.rules.order {
                Order::Lane => 0,
                Order::Topic => hash(&arrival.topic),
                Order::PersonType => hash(event.person_type.as_str()),
            },
        };

        let highest = self.highest.entry(order).or_insert(event.sequence);
        if event.sequence < *highest {
            let name = describe(expected, event);
            self.report
                .reordered
                .add(|| format!("{name}, after sequence {highest}"));
        }
        *highest = event.sequence.max(*highest);
    }

    /// What did not come is known only at the end.
    pub fn conclude(mut self, expected: &Expected) -> BusReport {
        self.seen.resize(expected.events.len(), Seen::default());
        for (event, seen) in expected.events.iter().zip(&self.seen) {
            if event.is_acknowledged && self.rules.expects(event.person_type, event.feed) {
                self.report.expected += 1;
                match seen.0 & Seen::ARRIVED {
                    0 => self.report.lost.add(|| describe(expected, event)),
                    _ => self.report.received += 1,
                }
            }
        }
        if self.is_away && self.report.lost.count > 0 {
            self.report.doubt = Some(Doubt::Away);
        }
        self.report
    }
}

/// Something on a live MQTT topic that nobody may act on.
fn is_stale(kind: BusKind, arrival: &Arrival) -> bool {
    let event = arrival.event.as_ref();
    let cannot_act = event.is_some_and(|event| event.act_before.is_none());
    let is_live = arrival.stream == Stream::Live;
    kind == BusKind::Mqtt && (arrival.retained || (is_live && cannot_act))
}

/// How an event is named in a finding: enough to find it in the ledger, nothing of a person.
fn describe(expected: &Expected, event: &ExpectedEvent) -> String {
    let ExpectedEvent {
        marker,
        sequence,
        person_type,
        feed,
        ..
    } = event;
    format!(
        "event {marker} ({person_type}, {feed}, device {}, sequence {sequence})",
        expected.device(event)
    )
}
