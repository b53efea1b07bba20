//! Whether boxes should come here, and all that is wrong: the answer of `/readyz`.
//!
//! A destination that is down is a reason shown, never a cause of not being ready: taken out of the load balancer the boxes would lose
//! events.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::history::{History, Minute};
use super::snapshot::Snapshot;
use crate::gateway::{Consumed, Devices, Holders};
use crate::metrics;
use crate::queue::{Queue, Status, SubscriptionStatus};
use crate::send::contact::{Contact, Finding};
use crate::system::clock::Clock;
use boxbridge_config::Config;
use boxbridge_event::{Size, Timestamp};

/// The phases of the process, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Starting,
    Serving,
    Draining,
}

/// The state of the gateway, for everyone who looks.
pub struct Health {
    phase: AtomicU8,
    pub metrics: PrometheusHandle,
    /// Empty until the queue is open.
    parts: OnceLock<Parts>,
    /// Empty where the disk alone has to have an event.
    holders: OnceLock<Arc<Holders>>,
    /// One look at a time: the numbers that are copied and those that are shown are of the same moment, however many scrape.
    looking: Mutex<()>,
    /// Held by the scrape that is under way.
    pub(super) scrapes: tokio::sync::Mutex<()>,
    history: History,
}

struct Parts {
    queue: Queue,
    contacts: Vec<Arc<Contact>>,
    /// Destinations that get their events out of Kafka.
    consumed: Vec<Arc<Consumed>>,
    clock: Arc<Clock>,
    devices: Arc<Devices>,
    settings: Mutex<Settings>,
}

/// What people should know of the settings at any time.
struct Settings {
    notes: Notes,
    /// Newer ones do not hold.
    refused: Option<String>,
}

/// How the settings that hold may surprise.
pub struct Notes {
    /// Whatever the time.
    pub lasting: Vec<String>,
    /// Says how its certificates fare as of now.
    pub config: Arc<Config>,
}

impl Notes {
    fn now(&self) -> Vec<String> {
        let expiring = self.config.expiry_notes(Timestamp::now());
        self.lasting.iter().cloned().chain(expiring).collect()
    }
}

impl Health {
    pub fn new(metrics: PrometheusHandle) -> Arc<Health> {
        Arc::new(Health {
            phase: AtomicU8::new(Phase::Starting as u8),
            metrics,
            parts: OnceLock::new(),
            holders: OnceLock::new(),
            looking: Mutex::new(()),
            scrapes: tokio::sync::Mutex::new(()),
            history: History::default(),
        })
    }

    pub fn opened(
        &self,
        queue: Queue,
        contacts: Vec<Arc<Contact>>,
        consumed: Vec<Arc<Consumed>>,
        clock: Arc<Clock>,
        devices: Arc<Devices>,
        notes: Notes,
    ) {
        let _ = self.parts.set(Parts {
            queue,
            contacts,
            consumed,
            clock,
            devices,
            settings: Mutex::new(Settings {
                notes,
                refused: None,
            }),
        });
    }

    /// Boxes are answered once these have their events.
    pub fn answered_by(&self, holders: &Arc<Holders>) {
        let _ = self.holders.set(Arc::clone(holders));
    }

    /// Other settings hold now.
    pub fn settings_taken(&self, notes: Notes) {
        if let Some(parts) = self.parts.get() {
            *parts.settings.lock() = Settings {
                notes,
                refused: None,
            };
        }
    }

    /// The settings were read again and are not taken, and why.
    pub fn settings_refused(&self, why: String) {
        if let Some(parts) = self.parts.get() {
            parts.settings.lock().refused = Some(why);
        }
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Why boxes should not come here; empty when they should.
    pub fn causes(&self) -> Vec<String> {
        self.causes_at(self.status().as_ref())
    }

    fn causes_at(&self, queue: Option<&Status>) -> Vec<String> {
        let holding = self.holding_causes(queue);
        holding.map(|cause| cause.replace('_', " ")).collect()
    }

    fn holding_causes(&self, queue: Option<&Status>) -> impl Iterator<Item = &'static str> {
        let possible = self.possible_causes(queue).into_iter();
        possible.filter(|(_, is_so)| *is_so).map(|(cause, _)| cause)
    }

    /// Every cause there is, and whether it holds.
    fn possible_causes(&self, queue: Option<&Status>) -> [(&'static str, bool); 6] {
        let phase = self.phase.load(Ordering::Acquire);
        [
            ("starting", phase == Phase::Starting as u8),
            ("draining", phase == Phase::Draining as u8),
            ("queue_full", queue.is_some_and(|queue| queue.is_full)),
            ("queue_stalled", queue.is_some_and(|queue| queue.is_stalled)),
            ("queue_refused", queue.is_some_and(|queue| queue.is_refused)),
            (
                "queue_poisoned",
                queue.is_some_and(|queue| queue.is_poisoned),
            ),
        ]
    }

    /// Whether boxes should come here, and all that is wrong: only the causes among it make it not ready.
    pub(super) fn readiness(&self, queue: Option<&Status>) -> (bool, Vec<Finding>) {
        let causes = self.holding_causes(queue);
        let mut findings: Vec<Finding> = causes.map(|cause| of_cause(cause, queue)).collect();
        let is_ready = findings.is_empty();

        let outages = queue.iter().flat_map(|queue| queue.outages.clone());
        findings.extend(outages.map(|outage| Finding::of("queue_outage", outage)));
        let contacts = self.contacts().iter();
        findings.extend(contacts.flat_map(|contact| contact.findings()));
        let on_disk = self.holders().and_then(Holders::trouble);
        findings.extend(on_disk.map(|trouble| Finding::of("answered_from_disk", trouble)));
        findings.extend(queue.iter().flat_map(|queue| replaying(queue)));

        let silence = self.devices().and_then(Devices::silence);
        findings.extend(silence.map(|silence| Finding::of("devices_silent", silence)));
        let refused = self.refused_settings();
        findings.extend(refused.map(|refused| Finding::of("settings_refused", refused)));
        (is_ready, findings)
    }

    /// What `/readyz` says.
    pub(super) fn report(&self) -> (bool, Value) {
        let snapshot = self.look();
        let state = |contact: &Contact| if contact.is_up() { "up" } else { "down" };
        let destinations: Map<String, Value> = self
            .contacts()
            .iter()
            .map(|contact| (contact.destination.to_string(), state(contact).into()))
            .collect();

        let Snapshot {
            ready,
            reasons,
            notes,
            ..
        } = snapshot;
        (
            ready,
            json!({"ready": ready, "reasons": reasons, "destinations": destinations, "notes": notes}),
        )
    }

    /// As things are at this moment, and what happened within the hour.
    pub(super) fn look(&self) -> Snapshot {
        let snapshot = self.snapshot();
        let lately = self.history.lately(&snapshot);
        let mut notes = snapshot.notes;
        notes.extend(lately.notes());
        Snapshot {
            notes,
            lately,
            ..snapshot
        }
    }

    /// All metrics as of one moment: what the ledger says of a destination adds up in every scrape.
    pub(super) fn scrape(&self) -> String {
        let _looking = self.looking.lock();

        let queue = self.status_with(Consumed::ended);
        self.consumed().iter().for_each(|it| it.observe());
        queue
            .iter()
            .for_each(|queue| metrics::observe(queue, |time| self.age(time)));
        self.possible_causes(queue.as_ref())
            .into_iter()
            .for_each(|(cause, is_so)| metrics::not_ready(cause, is_so));
        self.devices().into_iter().for_each(Devices::observe);

        self.metrics.render()
    }

    /// To be called every few seconds: what is remembered of the last hour is taken down when its time has come, and what is over is said.
    pub fn remember(&self) {
        self.holders().into_iter().for_each(Holders::look);
        self.history.look(|| self.snapshot());
    }

    /// The last hour, minute by minute, the oldest first.
    pub(super) fn history(&self) -> Vec<Minute> {
        self.history.until_now(self.snapshot())
    }

    /// Whether every destination works.
    pub fn is_connected(&self) -> bool {
        self.parts
            .get()
            .is_some_and(|parts| parts.contacts.iter().all(|contact| contact.is_up()))
    }

    pub(super) fn queue(&self) -> Option<&Queue> {
        self.parts.get().map(|parts| &parts.queue)
    }

    /// Of the queue, and beside its destinations those that get their events out of Kafka.
    pub(super) fn status(&self) -> Option<Status> {
        self.status_with(Consumed::status)
    }

    fn status_with(
        &self,
        of_consumed: impl Fn(&Consumed) -> Vec<SubscriptionStatus>,
    ) -> Option<Status> {
        let mut status = self.queue()?.status();
        let consumed = self.consumed().iter().flat_map(|it| of_consumed(it));
        status.subscriptions.extend(consumed);
        Some(status)
    }

    pub(super) fn consumed(&self) -> &[Arc<Consumed>] {
        self.parts.get().map_or(&[], |parts| &parts.consumed)
    }

    fn devices(&self) -> Option<&Devices> {
        self.parts.get().map(|parts| &*parts.devices)
    }

    fn holders(&self) -> Option<&Holders> {
        self.holders.get().map(|holders| &**holders)
    }

    pub(super) fn contacts(&self) -> &[Arc<Contact>] {
        self.parts.get().map_or(&[], |parts| &parts.contacts)
    }

    /// By the clock without its jumps; zero until there is one.
    pub(super) fn age(&self, time: Timestamp) -> Duration {
        self.parts
            .get()
            .map_or(Duration::ZERO, |parts| parts.clock.age(time))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let parts = self.parts.get();
        parts.map_or_else(Vec::new, |parts| parts.settings.lock().notes.now())
    }

    fn refused_settings(&self) -> Option<String> {
        let refused = self.parts.get()?.settings.lock().refused.clone()?;
        Some(format!("the settings were not taken: {refused}"))
    }
}

/// A cause, and what it means behind its words.
fn of_cause(cause: &str, queue: Option<&Status>) -> Finding {
    let words = cause.replace('_', " ");
    Finding::of(cause, format!("{words}{}", explained(cause, queue)))
}

fn explained(cause: &str, queue: Option<&Status>) -> String {
    match cause {
        "queue_full" => queue.map_or_else(String::new, |queue| format!(": {}", why_full(queue))),
        "queue_stalled" => {
            ": its disk has been at one thing for longer than a box waits".to_owned()
        }
        "queue_refused" => ": its disk takes no event at the moment".to_owned(),
        "queue_poisoned" => {
            ": a write or a sync of the log failed, and the process ends".to_owned()
        }
        _ => String::new(),
    }
}

/// Whose data fill it: what waits, or other files on the same disk.
fn why_full(queue: &Status) -> String {
    let bytes = &queue.bytes;
    let (waiting, limit) = (Size(bytes.waiting), Size(bytes.limit));
    match queue.disk_available {
        Some(available) if available < bytes.limit.saturating_sub(bytes.waiting) => format!(
            "no event is taken; its disk has no room left, of the {limit} that the queue may take only {waiting} wait: other files fill the disk"
        ),
        _ => format!("no event is taken; {waiting} of {limit} wait for a destination"),
    }
}

/// What goes out again, of each destination.
fn replaying(queue: &Status) -> impl Iterator<Item = Finding> {
    let replaying = queue
        .subscriptions
        .iter()
        .filter(|subscription| subscription.replaying > 0);
    replaying.map(|subscription| {
        let (destination, records) = (&subscription.destination, subscription.replaying);
        let sentence = format!("{destination}: {records} events go out again, as a replay");
        Finding::of("replaying", sentence).at(destination)
    })
}

#[cfg(test)]
mod tests;
