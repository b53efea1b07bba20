//! How many records the log ever had, which is also a place in it.
//!
//! Promises: a lane or a person type that is written is counted in its own place.

use serde::{Deserialize, Serialize};

use super::frame::Fields;
use boxbridge_event::{Lane, PersonType};

/// Person types that a count has room for.
pub const TYPES: usize = 8;
/// Bytes of them.
pub const COUNTS: usize = 2 * TYPES * 8;

/// How many records the log ever had, by [`Lane::number`] and [`PersonType::number`]. It is also a place in the log: the next sequence
/// is the sum and one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts([[u64; TYPES]; 2]);

impl Counts {
    pub fn add(&mut self, lane: Lane, person_type: PersonType, records: u64) {
        let of_lane = self.0.get_mut(usize::from(lane.number()));
        let count = of_lane.and_then(|types| types.get_mut(usize::from(person_type.number())));
        // There is room for more types and lanes than there are.
        if let Some(count) = count {
            *count += records;
        }
    }

    pub fn lane(&self, lane: Lane) -> u64 {
        self.types(lane).sum()
    }

    pub fn of(&self, lane: Lane, person_type: PersonType) -> u64 {
        let number = usize::from(person_type.number());
        self.types(lane).nth(number).unwrap_or(0)
    }

    /// The last sequence counted.
    pub fn last(&self) -> u64 {
        self.lane(Lane::Urgent) + self.lane(Lane::Normal)
    }

    /// The larger of both, count by count.
    pub fn or_more(self, other: Counts) -> Counts {
        let mut most = self;
        for (most, other) in most.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *most = (*most).max(*other);
        }
        most
    }

    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let counts = self.0.iter().flatten();
        counts.for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
    }

    pub fn decode(fields: &mut Fields<'_>) -> Option<Counts> {
        let mut counts = Counts::default();
        for count in counts.0.iter_mut().flatten() {
            *count = fields.u64()?;
        }
        Some(counts)
    }

    fn types(&self, lane: Lane) -> impl Iterator<Item = u64> + '_ {
        let of_lane = self.0.get(usize::from(lane.number()));
        of_lane.into_iter().flatten().copied()
    }
}
