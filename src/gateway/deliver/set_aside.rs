//! What becomes of a record that its destination does not take.
//!
//! Promises: it is durably set aside before its source is told; while the set-aside store is full, the
//! destination stops, and nothing is dropped.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::Ending;
use super::{Delivery, Records};
use crate::fault::Fault;
use crate::gateway::kept::SetAside;
use crate::send::Rejection;
use boxbridge_event::Timestamp;

/// How long a blocked set-aside store is left alone.
const ASIDE_PAUSE: Duration = Duration::from_secs(1);

impl<D, R, S: Records> Delivery<D, R, S> {
    pub(super) async fn set_aside(&mut self, mut ending: Ending, rejection: &Rejection) {
        let record = &ending.record;
        let aside = Arc::new(SetAside {
            destination: Arc::clone(&self.link.destination),
            lane: self.lane,
            sequence: record.sequence,
            at: Timestamp::now(),
            reason: rejection.reason.as_str(),
            detail: self.link.of_its_own(rejection.detail.clone()),
            attempts: ending.attempts,
            topic: ending.topic.take(),
            event: record.event.clone(),
            pictures: std::mem::take(&mut ending.pictures),
        });
        self.put_aside(&aside).await;

        tracing::warn!(
            destination.name = &*self.link.destination,
            lane = %self.lane,
            sequence = record.sequence.0,
            person_type = %record.person_type,
            topic = aside.topic.as_deref(),
            reason = rejection.reason.as_str(),
            detail = aside.detail,
            "event set aside"
        );
        self.backlog.set_aside(ending, rejection.verdict);
    }

    /// Returns when it is durable, however often that is to be tried.
    async fn put_aside(&self, aside: &Arc<SetAside>) {
        let mut is_said = false;
        while let Err(error) = self.try_to_put_aside(aside).await {
            is_said = true;
            self.link.down(
                self.lane,
                format!("a refused event cannot be set aside, and the destination stops: {error}"),
                0,
            );
            tokio::time::sleep(ASIDE_PAUSE).await;
        }

        if is_said {
            self.link.up(self.lane);
        }
    }

    async fn try_to_put_aside(&self, aside: &Arc<SetAside>) -> Result<(), String> {
        let (store, aside) = (Arc::clone(&self.aside), Arc::clone(aside));
        match tokio::task::spawn_blocking(move || store.put(&aside)).await {
            Ok(put) => put.map_err(|error| error.to_string()),
            Err(_) => Err(Fault.to_string()),
        }
    }
}
