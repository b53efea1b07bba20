//! How one record stands with every destination, and what comes after a place: for people who look on.
//!
//! Promises: a standing is of one moment for each destination. Deliberately knows no reason: those who deliver do.

use std::io;

use super::Queue;
use crate::queue::follow::{Onward, RecordState, Standing, after, recent_after};
use boxbridge_event::{Lane, PersonType, Record, Sequence};

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
        self.state_with(
            destination,
            record.lane,
            record.sequence,
            record.person_type,
        )
    }

    /// The same of the record with this sequence and type, which travels in this lane.
    pub fn state_with(
        &self,
        destination: &str,
        lane: Lane,
        sequence: Sequence,
        person_type: PersonType,
    ) -> Option<RecordState> {
        let subscription = self.open.subscriptions.of(destination, lane)?;
        let progress = subscription.progress();
        Some(progress.state_of(sequence.0, person_type))
    }

    /// How many records have no answer yet, of each destination and lane that has some.
    pub fn waiting(&self) -> Vec<(String, Lane, u64)> {
        let all = self.open.subscriptions.iter();
        let waiting = all.filter_map(|subscription| {
            let progress = subscription.progress();
            let accepted = subscription.accepted(&self.open.log, &progress);
            let waiting = accepted.saturating_sub(progress.answered().total());
            let place = (subscription.destination.clone(), subscription.lane, waiting);
            (waiting > 0).then_some(place)
        });
        waiting.collect()
    }

    /// Whether a destination gets again what its lost cursor had: nobody knows what of it was delivered.
    pub fn makes_good(&self) -> bool {
        let mut all = self.open.subscriptions.iter();
        all.any(|subscription| {
            let progress = subscription.progress();
            progress.replays_from() < u64::MAX
        })
    }

    /// The next records after a place, in order; none where there is nothing yet. An error where the disk does not answer now.
    pub async fn after(&self, place: Sequence) -> io::Result<Onward> {
        match recent_after(&self.open.log, place) {
            Some(recent) => Ok(recent),
            None => self.look(move |open| after(&open.log, place)).await,
        }
    }
}
