//! The last step before an answer: all who have to have an event have it, or the disk has to do.
//!
//! Promises: a live event is answered 200 whatever they do, in time, since its box never asks again and one disk is better than none. History
//! comes again, so it is refused until they have it; only what they will never take is answered. Deliberately does nothing where the disk alone
//! has to have events.

use std::time::{Duration, Instant};

use super::Gateway;
use super::holders::OnDisk;
use crate::metrics::FromDisk;
use boxbridge_event::{Code, Feed, Refusal};

/// The share of `ingest.answer_deadline` in which they are waited for: 300 ms of 400. The rest is for the answer.
const SHARE: f64 = 0.75;

/// Until when an answer waits.
#[derive(Clone, Copy)]
pub(super) struct Patience(Instant);

impl Gateway {
    /// Of an answer to a body that has arrived now.
    pub(super) fn patience(&self) -> Patience {
        let deadline: Duration = self.config.now().ingest.answer_deadline;
        Patience(Instant::now() + deadline.mul_f64(SHARE))
    }

    /// Waits until those who have to have these events do. A refusal only where the box comes again.
    pub(super) async fn confirm(
        &self,
        feed: Feed,
        events: &[OnDisk],
        Patience(late): Patience,
    ) -> Result<(), Refusal> {
        let Some(holders) = &self.holders else {
            return Ok(());
        };

        let mut missed = Vec::new();
        for event in events {
            missed.extend(holders.have(event, late).await.err());
        }
        if feed == Feed::History && missed.iter().copied().any(FromDisk::passes) {
            return Err(not_confirmed());
        }

        for why in missed {
            holders.answered_from_disk(why);
        }
        Ok(())
    }
}

fn not_confirmed() -> Refusal {
    let message = "on disk here, and not yet where it has to be besides (queue.answer_from)";
    Refusal::new(Code::NotConfirmed, message)
}
