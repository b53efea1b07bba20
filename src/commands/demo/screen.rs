//! The demo's terminal: a line for each person once both buses have the event, or after a moment with the buses that have it.
//!
//! On a terminal the last line shows counts; elsewhere there are plain lines only. Deliberately knows nothing but the boxes' answers and
//! what subscribers received.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::outage::{self, OutageRequest};
use super::pass::{self, Pass};
use crate::commands::colour::{FAINT, VOICE, paint, shown};
use boxbridge_config::MQTT;
use boxbridge_event::PersonType;
use boxbridge_proof::reconcile::{Arrival, Stream};
use boxbridge_proof::simulate::{Entry, Marker};

/// A line waits this long for both buses.
const SHOWN_AFTER: Duration = Duration::from_millis(1_500);
/// An event that arrived but was not acknowledged is of a box that gave up. It is forgotten after this time.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
const TOLD_EVERY: Duration = Duration::from_secs(5);

pub struct Screen {
    passes: BTreeMap<Marker, Pass>,
    counts: Counts,
    /// The counts that the last line shows.
    drawn: Counts,
    outage: Option<Outage>,
    is_terminal: bool,
    pictures: PathBuf,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    sent: u64,
    acknowledged: u64,
    mqtt: u64,
    kafka: u64,
}

/// An outage: the broker is away, or the events that waited for it are on their way.
struct Outage {
    teller: mpsc::Sender<String>,
    began: Instant,
    before: Counts,
    told: Instant,
    /// Once the broker is back: when that was, and which events have not come yet.
    over: Option<(Instant, BTreeSet<Marker>)>,
    came: Came,
}

/// The events that came after an outage.
#[derive(Default)]
struct Came {
    urgent: usize,
    /// Urgent events that came before any other.
    urgent_first: usize,
    live: usize,
    late: usize,
}

impl Screen {
    pub fn new(pictures: PathBuf) -> Screen {
        Screen {
            passes: BTreeMap::new(),
            counts: Counts::default(),
            drawn: Counts::default(),
            outage: None,
            is_terminal: std::io::stdout().is_terminal(),
            pictures,
        }
    }

    pub fn introduce(&mut self, places: &[(&str, String)]) {
        self.print("boxbridge demo: boxes that send drawn faces, the real gateway, both buses");
        for (what, how) in places {
            self.print(&format!("  {what:<9} {how}"));
        }
        let legend = "A line is a person: UTC, who, which door; ms to the disk, to a subscriber. Ctrl-C ends.";
        self.print(&paint(FAINT, legend));
    }

    /// A box has its answer.
    pub fn sent(&mut self, entry: Entry) {
        self.counts.sent += 1;
        if !entry.is_acknowledged() {
            let line = pass::refused(&entry);
            return self.print(&line);
        }

        self.counts.acknowledged += 1;
        let marker = entry.marker;
        let pass = self.passes.entry(marker).or_insert_with(Pass::new);
        pass.entry = Some(entry);

        self.counts.mqtt += u64::from(pass.mqtt.is_some());
        self.counts.kafka += u64::from(pass.kafka.is_some());
        self.show_if_complete(marker);
    }

    /// A subscriber has received an event, perhaps before the box has its answer.
    pub fn arrived(&mut self, arrival: Arrival) {
        let marker = arrival.marker;
        let pass = self.passes.entry(marker).or_insert_with(Pass::new);
        if !pass.arrived(arrival.clone()) {
            return;
        }

        let late = if pass.is_shown {
            pass.late_line(&arrival)
        } else {
            None
        };
        let is_urgent = pass.is_urgent();
        // An event that no box of ours sent does not count. One that is faster than its answer counts with the answer.
        match arrival.bus.as_str() {
            _ if pass.entry.is_none() => {}
            MQTT => self.counts.mqtt += 1,
            _ => self.counts.kafka += 1,
        }

        if let Some(line) = late {
            self.tell(&line);
        }
        if arrival.bus == MQTT {
            self.caught_up(marker, is_urgent, arrival.stream);
        }
        self.show_if_complete(marker);
    }

    /// An event of another box has arrived.
    pub fn arrived_from_another(&mut self) {
        self.print(&paint(
            FAINT,
            "         an event of another box has arrived as well",
        ));
    }

    /// Shows overdue lines and new counts; called a few times a second.
    pub fn look(&mut self) {
        self.passes
            .retain(|_, pass| pass.entry.is_some() || pass.since.elapsed() < FORGOTTEN_AFTER);

        let is_due = |pass: &&mut Pass| !pass.is_shown && pass.since.elapsed() >= SHOWN_AFTER;
        let mut lines = Vec::new();
        for pass in self.passes.values_mut().filter(is_due) {
            if let Some(line) = pass.line() {
                pass.is_shown = true;
                lines.push(line);
            }
        }
        lines.iter().for_each(|line| self.print(line));

        if let Some(outage) = self
            .outage
            .as_mut()
            .filter(|outage| outage.over.is_none() && outage.told.elapsed() >= TOLD_EVERY)
        {
            outage.told = Instant::now();
            let progress = self.progress();
            self.voice(&progress);
        }

        if std::mem::replace(&mut self.drawn, self.counts) != self.counts {
            self.print_counts();
        }
    }

    /// How many acknowledged events have not arrived on both buses.
    pub fn waiting(&self) -> usize {
        self.passes
            .values()
            .filter(|pass| pass.entry.is_some())
            .count()
    }

    /// True until all events that an outage held back have arrived.
    pub fn is_in_outage(&self) -> bool {
        self.outage.is_some()
    }

    pub fn outage_begins(&mut self, request: OutageRequest) {
        let now = Instant::now();
        let seconds = request.lasts.as_secs_f64();
        self.outage = Some(Outage {
            teller: request.teller,
            began: now,
            before: self.counts,
            told: now,
            over: None,
            came: Came::default(),
        });
        self.voice(&format!(
            "the MQTT broker is out of the gateway's reach for {seconds:.0} s; subscribers, Kafka and the boxes go on"
        ));
    }

    pub fn outage_ends(&mut self) {
        let progress = self.progress();
        let missing = self
            .passes
            .iter()
            .filter(|(_, pass)| pass.entry.is_some() && pass.mqtt.is_none());
        let missing = missing.map(|(marker, _)| *marker).collect();
        if let Some(outage) = &mut self.outage {
            outage.over = Some((Instant::now(), missing));
            self.voice(&progress);
            self.voice("the MQTT broker can be reached again");
        }
    }

    pub fn end(&mut self) {
        self.look();
        if self.is_terminal {
            self.write("\r\x1b[2K");
        }
    }

    fn show_if_complete(&mut self, marker: Marker) {
        if !self.passes.get(&marker).is_some_and(Pass::is_complete) {
            return;
        }

        let Some(pass) = self.passes.remove(&marker) else {
            return;
        };
        if let Some(line) = pass.line().filter(|_| !pass.is_shown) {
            self.print(&line);
        }

        let is_alert = pass
            .entry
            .as_ref()
            .is_some_and(|entry| entry.person_type == PersonType::Blacklist);
        if let Some(key) = pass.scene().filter(|_| is_alert) {
            let picture = self.pictures.join(key);
            self.print(&paint(FAINT, &format!("  {}", picture.display())));
        }
    }

    /// An event that an outage held back has arrived.
    fn caught_up(&mut self, marker: Marker, is_urgent: bool, stream: Stream) {
        let Some(outage) = &mut self.outage else {
            return;
        };
        let Some((since, missing)) = &mut outage.over else {
            return;
        };
        if missing.remove(&marker) {
            let came = &mut outage.came;
            came.urgent_first += usize::from(is_urgent && came.live + came.late == came.urgent);
            came.urgent += usize::from(is_urgent);
            came.late += usize::from(stream == Stream::Late);
            came.live += usize::from(stream != Stream::Late);
        }
        if !missing.is_empty() {
            return;
        }

        let (
            took,
            Came {
                urgent,
                urgent_first,
                live,
                late,
            },
        ) = (since.elapsed().as_secs_f64(), &outage.came);
        let refused = self.counts.refused() - outage.before.refused();
        let verdict = format!(
            "{} that waited have arrived, {took:.1} s later: {urgent_first} of {urgent} urgent ones first; {live} live, {late} late; \
             refused {refused}, lost 0",
            live + late
        );

        self.voice(&verdict);
        if let Some(outage) = self.outage.take() {
            outage::done(&outage.teller);
        }
    }

    /// A line about the outage under way.
    fn progress(&self) -> String {
        let Some(outage) = &self.outage else {
            return String::new();
        };
        let waiting = self
            .passes
            .values()
            .filter(|pass| pass.entry.is_some() && pass.mqtt.is_none())
            .count();
        let since = |count: fn(&Counts) -> u64| count(&self.counts) - count(&outage.before);
        format!(
            "{:>3.0} s without the MQTT broker: {} accepted, {} refused; {waiting} wait on disk for MQTT, Kafka has {}",
            outage.began.elapsed().as_secs_f64(),
            since(|counts| counts.acknowledged),
            since(Counts::refused),
            since(|counts| counts.kafka),
        )
    }

    fn voice(&mut self, text: &str) {
        self.tell(&paint(VOICE, &format!("── {text}")));
    }

    /// Prints it here, and in the terminal that asked for the outage.
    fn tell(&mut self, line: &str) {
        if let Some(outage) = &self.outage {
            let _ = outage.teller.try_send(line.to_owned());
        }
        self.print(line);
    }

    fn print(&self, line: &str) {
        if self.is_terminal {
            self.write("\r\x1b[2K");
        }
        self.write(&format!("{}\n", shown(line, &std::io::stdout())));
        self.print_counts();
    }

    fn print_counts(&self) {
        let Counts {
            sent,
            acknowledged,
            mqtt,
            kafka,
        } = self.counts;
        if self.is_terminal && sent > 0 {
            let counts =
                format!("sent {sent}  acknowledged {acknowledged}  mqtt {mqtt}  kafka {kafka}");
            self.write(&format!(
                "\r\x1b[2K{}",
                shown(&paint(FAINT, &counts), &std::io::stdout())
            ));
        }
    }

    /// Ignores a terminal that is gone: the demo goes on.
    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Counts {
    fn refused(&self) -> u64 {
        self.sent - self.acknowledged
    }
}
