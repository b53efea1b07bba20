//! How the consumer groups of a broker begin, and that its gateway's clock is compared with the brokers' from then on.
//!
//! Promises: the offsets are committed before the queue's cursor ends, and where that was is on disk before anything is read; a crash in between
//! begins again. Deliberately gives up on nothing: brokers that are not there are asked again.

use std::sync::Arc;
use std::time::Duration;

use super::note::Note;
use crate::gateway::Consumed;
use crate::queue::Queue;
use crate::send::kafka::Kafka;
use crate::send::kafka::group::Clocks;
use boxbridge_config::Current;

/// Before the brokers are asked again where a group stands.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Clocks that do not agree are compared again after this: an alert is late for as long.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// From the queue's cursor to the groups'.
pub(super) struct Beginning {
    pub kafka: Arc<Current<Kafka>>,
    pub consumed: Arc<Consumed>,
    pub clocks: Arc<Clocks>,
    pub note: Note,
    pub queue: Queue,
    /// A process before this one has come to the end of it.
    pub is_known: bool,
}

impl Beginning {
    pub async fn run(self: Arc<Beginning>) {
        match self.is_known {
            true => self.note.given_back(),
            false => self.until_begun().await,
        }

        // First, so that no alert is late for lack of it.
        self.clocks.found(self.kafka.now().compare_clocks().await);
        let groups = self.consumed.groups.iter();
        groups.for_each(|(_, group)| group.begin());
        self.compare_clocks().await;
    }

    async fn until_begun(&self) {
        let mut is_said = false;
        while let Err(error) = self.begin().await {
            let groups = self.consumed.groups.iter();
            groups.for_each(|(_, group)| group.cannot_begin(error.clone()));
            if !std::mem::replace(&mut is_said, true) {
                let destination = &*self.consumed.counted.destination;
                tracing::warn!(
                    destination.name = destination,
                    error,
                    "its consumer groups cannot begin: until they can, it gets its events from the queue"
                );
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn compare_clocks(&self) {
        let mut was_trouble = false;
        loop {
            let trouble = self.clocks.trouble();
            let destination = &*self.consumed.counted.destination;
            match &trouble {
                Some(trouble) if !was_trouble => {
                    tracing::error!(destination.name = destination, "{trouble}")
                }
                None if was_trouble => tracing::info!(
                    destination.name = destination,
                    "its clock and the brokers' agree again"
                ),
                _ => {}
            }
            was_trouble = trouble.is_some();

            tokio::time::sleep(LOOK_EVERY).await;
            if self.clocks.are_due() {
                self.clocks.found(self.kafka.now().compare_clocks().await);
            }
        }
    }

    /// The offsets first: what is accepted until they are committed is the queue's to deliver. Where others have read all along, some of it
    /// comes twice: nobody can tell whether they began before it or behind it.
    async fn begin(&self) -> Result<(), String> {
        for (_, group) in self.consumed.groups.iter() {
            let begun = self.kafka.now().begin(group.membership()).await;
            begun.map_err(|error| error.message)?;
        }

        let through = self.queue.newest();
        let noted = self.note.write(self.queue.epoch(), through);
        noted.map_err(|error| format!("{}: {error}", self.note.path().display()))?;
        self.consumed.handover.tell(through);
        Ok(())
    }
}
