//! How one record stands with every destination, and what comes after a place: for people who look on.
//!
//! Promises: a standing is of one moment for each destination. Deliberately knows no reason: those who deliver do.

use std::io;

use super::Queue;
use crate::queue::follow::{Onward, after, recent_after};
use boxbridge_event::{Record, Sequence};

/// One destination's relation to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub destination: String,
    pub state: RecordState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// The destination joined later, and does not get it.
    NotIts,
    Waiting,
    /// It was delivered, set aside or given up; a destination that did nothing else has delivered it.
    Answered {
        always_delivered: bool,
    },
}

impl Queue {
    /// With every destination, in the lane in which the record travels.
    pub fn standing(&self, record: &Record) -> Vec<Standing> {
        let (sequence, lane) = (record.sequence.0, record.lane);
        let of_lane = self.open.subscriptions.iter();
        let of_lane = of_lane.filter(|subscription| subscription.lane == lane);

        let standing = of_lane.map(|subscription| {
            let progress = subscription.progress();
            let state = if sequence <= progress.joined.sequence {
                RecordState::NotIts
            } else if progress.is_answered(sequence, record.person_type) {
                let tally = progress.answered();
                let always_delivered = tally.total() == tally.delivered;
                RecordState::Answered { always_delivered }
            } else {
                RecordState::Waiting
            };
            Standing {
                destination: subscription.destination.clone(),
                state,
            }
        });
        standing.collect()
    }

    /// The next records after a place, in order; none where there is nothing yet. An error where the disk does not answer now.
    pub async fn after(&self, place: Sequence) -> io::Result<Onward> {
        match recent_after(&self.open.log, place) {
            Some(recent) => Ok(recent),
            None => self.look(move |open| after(&open.log, place)).await,
        }
    }
}
