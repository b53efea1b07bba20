//! The verdict over a campaign: what was answered from Kafka and is missing, what went with deleted disks, what came twice or out of order.

use std::fmt;
use std::time::Duration;

use boxbridge_proof::reconcile::{BusReport, Report};

use super::campaign::{Gateways, Step};
use super::fleet::Reasons;
use super::witness::{Records, Screen};

pub struct Verdict {
    records: Records,
    rows: Vec<Row>,
}

/// One step.
struct Row {
    step: Step,
    all: Report,
    /// Of those events alone that were answered sooner than a gateway waits for Kafka and the store.
    prompt: Report,
    /// Milliseconds from the box: the median, the worst hundredth, and the worst.
    on_mqtt_after: [u128; 3],
    /// The same of alerts, on a screen that gets nothing else.
    alerts_after: [u128; 3],
}

/// Repeats outside of kills, of a hundred.
const REPEATS_MAX: f64 = 1.0;

impl Verdict {
    pub async fn of(records: Records, steps: Vec<Step>) -> Verdict {
        let mut rows = Vec::new();
        for step in steps {
            rows.push(Row {
                on_mqtt_after: quantiles(&records.delays(step.name, Screen::Everything)),
                alerts_after: quantiles(&records.delays(step.name, Screen::Alerts)),
                all: records.judge(step.name).await,
                prompt: records.judge_prompt(step.name).await,
                step,
            });
        }
        Verdict { records, rows }
    }

    /// Panics with the table where something is missing that no deleted disk took along, or is not what was sent.
    pub fn demand_that_nothing_is_lost(&mut self) {
        self.demand(Row::losses);
    }

    /// The same for what came twice, or out of order where boxes stayed on their gateways.
    pub fn demand_order(&mut self) {
        self.demand(Row::disorder);
    }

    fn demand(&mut self, broken: impl Fn(&Row) -> Vec<String>) {
        let broken: Vec<_> = self.rows.iter().flat_map(broken).collect();
        if !broken.is_empty() {
            let kept = self.records.keep();
            panic!(
                "{broken:#?}\n{self}\nledgers and arrivals: {}",
                kept.display()
            );
        }
    }
}

impl Row {
    /// Not what was sent, on a live topic though nobody may act on it, or a link to nothing.
    fn wrong(&self) -> u64 {
        let buses = self.all.buses.values();
        let buses = buses.map(|bus| bus.wrong.count + bus.stale.count);
        let store = self.all.store.iter();
        let store = store.map(|store| store.wrong.count + store.dangling.count);
        buses.chain(store).sum()
    }

    fn losses(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.prompt.acknowledged == 0 || self.all.buses.len() < 2 {
            broken.push("nothing was answered in time, or a bus gave nothing".to_owned());
        }
        if self.wrong() > 0 {
            broken.push(format!("not as it was sent: {}", self.all));
        }

        let deleted = &self.step.from_deleted_disks;
        let (at_once, at_all) = (at_once(deleted), deleted.values().sum());
        for (report, most) in [(&self.prompt, at_once), (&self.all, at_all)] {
            let lost = most_lost(report);
            if lost > most {
                broken.push(format!("{lost} lost, {most} went with disks: {report}"));
            }
        }
        self.named(broken)
    }

    fn disorder(&self) -> Vec<String> {
        let gateways = self.step.gateways;
        let mut broken = Vec::new();
        for (bus, all) in &self.all.buses {
            let repeats = percent(all.duplicated.count, all.received);
            if !gateways.repeat() && repeats > REPEATS_MAX {
                broken.push(format!("{bus} told {repeats:.1} % twice"));
            }
            if gateways == Gateways::Stay && all.reordered.count > 0 {
                broken.push(format!("{bus} has no order: {:?}", all.reordered));
            }
        }
        self.named(broken)
    }

    fn named(&self, broken: Vec<String>) -> Vec<String> {
        let name = self.step.name;
        let broken = broken.into_iter();
        broken.map(|what| format!("{name}: {what}")).collect()
    }
}

/// Answers from disks for which no gateway waited.
fn at_once(from_disks: &Reasons) -> u64 {
    let others = from_disks.iter().filter(|(reason, _)| *reason != "late");
    others.map(|(_, count)| count).sum()
}

/// Of the places, the one that lacks most; in the bucket two pictures are an event.
fn most_lost(report: &Report) -> u64 {
    let buses = report.buses.values().map(|bus| bus.lost.count);
    let store = report.store.iter();
    let store = store.map(|store| store.lost.count.div_ceil(2));
    buses.chain(store).max().unwrap_or_default()
}

/// Of sorted ones.
fn quantiles(delays: &[Duration]) -> [u128; 3] {
    let last = delays.len().saturating_sub(1);
    [0.5, 0.99, 1.0].map(|share| {
        let rank = (delays.len() as f64 * share) as usize;
        delays.get(rank.min(last)).map_or(0, Duration::as_millis)
    })
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| step | events | 200 | over 500 ms | p50 ms | p99 ms | CPU ms | answered promptly | from disks | of deleted ones | lost: Kafka, MQTT, store | of the prompt ones | twice: Kafka, MQTT | reordered: Kafka, MQTT | on MQTT after ms: p50, p99, most | alerts on a screen of theirs |"
        )?;
        writeln!(f, "|{}", " --- |".repeat(16))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { name, outcome, .. } = &self.step;
        let answer = &outcome.answer_ms;
        let cpu = self.step.cpu_milliseconds();
        write!(
            f,
            "| {name} | {} | {} | {:.1} % | {:.0} | {:.0} | {cpu} |",
            outcome.events,
            outcome.acknowledged,
            outcome.over_500_ms * 100.0,
            answer.p50,
            answer.p99
        )?;
        let of = |count: fn(&BusReport) -> u64| {
            let bus = |bus| self.all.buses.get(bus).map_or(0, count);
            format!("{}, {}", bus("kafka"), bus("mqtt"))
        };
        write!(
            f,
            " {} | {:?} | {:?} | {} | {} | {} | {} | {} | {} |",
            self.prompt.acknowledged,
            self.step.from_disks,
            self.step.from_deleted_disks,
            lost(&self.all),
            lost(&self.prompt),
            of(|bus| bus.duplicated.count),
            of(|bus| bus.reordered.count),
            listed(self.on_mqtt_after),
            listed(self.alerts_after),
        )
    }
}

fn listed(quantiles: [u128; 3]) -> String {
    quantiles.map(|it| it.to_string()).join(", ")
}

fn lost(report: &Report) -> String {
    let bus = |bus: &str| report.buses.get(bus).map_or(0, |bus| bus.lost.count);
    let store = report.store.as_ref().map_or(0, |store| store.lost.count);
    format!("{}, {}, {store}", bus("kafka"), bus("mqtt"))
}
