//! What must hold after each action, by the plain list.

use boxbridge::queue::Record;
use boxbridge_event::PictureKind;

use super::{FOLLOWERS, Known, World};
use crate::queue::support::picture;

impl World {
    /// Numbers that a follower must hand out before others of their type.
    pub fn due(&self, follower: usize) -> Vec<u64> {
        let seat = &self.seats[follower];
        let is_due = |(number, record): &(u64, &Known)| {
            record.lane == FOLLOWERS[follower].1
                && !seat.paused.contains(&record.person_type)
                && ![&seat.answered, &seat.perhaps, &seat.handed]
                    .iter()
                    .any(|set| set.contains(number))
        };
        (1..)
            .zip(&self.records)
            .filter(is_due)
            .map(|(number, _)| number)
            .collect()
    }

    pub fn check_order(&self, follower: usize, number: u64, due: &[u64]) {
        let (seat, known) = (&self.seats[follower], &self.records[number as usize - 1]);
        assert!(
            !seat.paused.contains(&known.person_type),
            "{number} is paused"
        );
        assert!(!seat.answered.contains(&number), "{number} was answered");
        assert!(!seat.handed.contains(&number), "{number} came twice");
        assert!(
            seat.last
                .get(&known.person_type)
                .is_none_or(|last| *last < number),
            "{number} came out of order"
        );
        let overtaken = due.iter().find(|due| {
            **due < number && self.records[**due as usize - 1].person_type == known.person_type
        });
        assert!(
            self.rots > 0 || overtaken.is_none(),
            "{number} overtook {overtaken:?}"
        );
    }

    pub async fn check_pictures(&self, number: u64, record: &Record) {
        let known = &self.records[number as usize - 1];
        assert_eq!(record.has_pictures, known.has_picture);
        let is_given_up = self
            .seats
            .iter()
            .zip(FOLLOWERS)
            .any(|(seat, (name, _))| name == "store" && seat.ever_answered.contains(&number));
        match record.pictures().await {
            Ok(pictures) if known.has_picture => {
                assert_eq!(pictures, [picture(PictureKind::Scene, number, 3000)])
            }
            Ok(pictures) => assert!(pictures.is_empty()),
            Err(error) => assert!(is_given_up || self.rots > 0, "{error}"),
        }
    }

    pub fn check_identity(&self) {
        for subscription in self.queue.status().subscriptions {
            assert_eq!(
                subscription.accepted,
                subscription.tally.total() + subscription.waiting
            );
            let appended = self
                .records
                .iter()
                .filter(|record| record.lane == subscription.lane)
                .count() as u64;
            assert!(
                self.rots > 0 || subscription.accepted == appended,
                "{} of {appended}",
                subscription.accepted
            );
            assert!(
                self.rots > 0 || !subscription.tally.expired.contains_key("rotten"),
                "{subscription:?}"
            );
        }
    }
}
