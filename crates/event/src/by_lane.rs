//! One of something for each lane.
//!
//! Promises: each lane has its own, so looking one up cannot fail. Deliberately no map: the set is closed.

use crate::Lane;

#[derive(Clone, Debug, Default)]
pub struct ByLane<T> {
    urgent: T,
    normal: T,
}

impl<T> ByLane<T> {
    /// `make` is asked once for each lane.
    pub fn new(mut make: impl FnMut(Lane) -> T) -> ByLane<T> {
        ByLane {
            urgent: make(Lane::Urgent),
            normal: make(Lane::Normal),
        }
    }

    pub const fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }
}
