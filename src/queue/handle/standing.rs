//! How one record stands with every destination, and what comes after a place: for people who look on.
//!
//! Promises: a standing is of one moment for each destination. Deliberately knows no reason: those who deliver do.

use std::io;

use super::Queue;
use crate::queue::follow::{Onward, RecordState, Standing, after, recent_after};
use boxbridge_event::{Record, Sequence};

impl Queue {
    /// With every destination, in the lane in which the record travels.
    pub fn standing(&self, record: &Record) -> Vec<Standing> {
        let (sequence, lane) = (record.sequence.0, record.lane);
        let of_lane = self.open.subscriptions.iter();
        let of_lane = of_lane.filter(|subscription| subscription.lane == lane);

        let standing = of_lane.map(|subscription| {
            let progress = subscription.progress();
            Standing {
                destination: subscription.destination.clone(),
                state: progress.state_of(sequence, record.person_type),
            }
        });
        standing.collect()
    }

    /// With one destination; `None` where none has this name.
    pub fn standing_with(&self, destination: &str, record: &Record) -> Option<RecordState> {
        let subscription = self.open.subscriptions.of(destination, record.lane)?;
        let progress = subscription.progress();
        Some(progress.state_of(record.sequence.0, record.person_type))
    }

    /// The next records after a place, in order; none where there is nothing yet. An error where the disk does not answer now.
    pub async fn after(&self, place: Sequence) -> io::Result<Onward> {
        match recent_after(&self.open.log, place) {
            Some(recent) => Ok(recent),
            None => self.look(move |open| after(&open.log, place)).await,
        }
    }
}
