//! The demo while it runs: what the boxes, the subscribers and the other terminal tell goes to the screen, until the end.
//!
//! Promises: at the end it waits for events that are still on their way, but not for ever. Deliberately knows nothing of the gateway.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::buses::CuttableLine;
use super::outage::OutageRequest;
use super::screen::Screen;
use boxbridge_config::KAFKA;
use boxbridge_proof::reconcile::Recorded;
use boxbridge_proof::simulate::Entry;

/// How long the end waits for events still on their way.
const END_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Keeps the screen up to date until the end.
pub struct Watch {
    pub screen: Screen,
    pub line: CuttableLine,
    pub entries: mpsc::Receiver<Entry>,
    pub arrivals: mpsc::Receiver<Recorded>,
    pub requests: mpsc::Receiver<OutageRequest>,
    /// When the cut line is restored.
    pub restores: Option<Instant>,
    pub ends: Option<Instant>,
    /// Stops the boxes.
    pub stop: CancellationToken,
}

impl Watch {
    /// Runs until the end; returns how many events have not arrived by then.
    pub async fn run(mut self) -> anyhow::Result<usize> {
        let mut signals = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                Some(entry) = self.entries.recv() => self.screen.sent(entry),
                Some(recorded) = self.arrivals.recv() => self.arrived(recorded),
                Some(request) = self.requests.recv() => self.cut(request).await,
                () = moment(self.restores) => self.restore().await?,
                _ = look.tick() => self.screen.look(),
                () = moment(self.ends) => break,
                _ = signals.0.recv() => break,
                _ = signals.1.recv() => break,
            }
        }

        self.stop.cancel();
        if self.restores.is_some() {
            self.restore().await?;
        }
        self.wait_for_arrivals(&mut look, &mut signals.0).await;

        self.screen.end();
        Ok(self.screen.waiting())
    }

    /// Returns when all has arrived, when it takes too long, or when somebody interrupts a second time.
    async fn wait_for_arrivals(&mut self, look: &mut Interval, interrupt: &mut Signal) {
        let late = Instant::now() + END_WITHIN;
        while !self.has_all_arrived() {
            tokio::select! {
                Some(entry) = self.entries.recv() => self.screen.sent(entry),
                Some(Recorded::Arrival(arrival)) = self.arrivals.recv() => self.screen.arrived(arrival),
                _ = look.tick() => self.screen.look(),
                () = sleep_until(late) => return,
                _ = interrupt.recv() => return,
            }
        }
    }

    fn has_all_arrived(&self) -> bool {
        self.entries.is_closed() && self.entries.is_empty() && self.screen.waiting() == 0
    }

    fn arrived(&mut self, recorded: Recorded) {
        match recorded {
            Recorded::Arrival(arrival) => self.screen.arrived(arrival),
            // Every event goes to Kafka, and nothing else does.
            Recorded::Foreign(bus) if bus == KAFKA => self.screen.arrived_from_another(),
            _ => {}
        }
    }

    async fn cut(&mut self, request: OutageRequest) {
        if self.screen.is_in_outage() {
            let _ = request.teller.try_send(
                "an outage is under way: try again when all that waited has arrived".to_owned(),
            );
            return;
        }

        self.line.cut().await;
        self.restores = Some(Instant::now() + request.lasts);
        self.screen.outage_begins(request);
    }

    async fn restore(&mut self) -> anyhow::Result<()> {
        self.restores = None;
        self.screen.outage_ends();
        self.line
            .restore()
            .await
            .context("the line to the broker cannot be restored")
    }
}

async fn moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
