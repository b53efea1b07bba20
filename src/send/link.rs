//! How a destination's lanes fare, for whoever looks: `/readyz`, `/metrics`, `boxbridge status`.

use std::sync::{Mutex, PoisonError};

use crate::event::Lane;
use crate::metrics;

/// One destination's connections.
pub struct Link {
    pub destination: &'static str,
    lanes: Mutex<[Condition; Lane::ALL.len()]>,
}

/// One lane's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Connecting,
    Up,
    /// And why; the attempts since.
    Down {
        error: String,
        attempts: u32,
    },
}

impl Link {
    pub fn new(destination: &'static str) -> Link {
        metrics::destination_exists(destination);
        Link { destination, lanes: Mutex::new([Condition::Connecting, Condition::Connecting]) }
    }

    /// Says the first failure and the recovery, not those in between.
    pub fn set(&self, lane: Lane, condition: Condition) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = &mut lanes[usize::from(lane.number())];
        match (&*now, &condition) {
            (Condition::Down { .. }, Condition::Down { .. }) => {}
            (_, Condition::Down { error, .. }) => {
                tracing::warn!(destination.name = self.destination, %lane, %error, "destination is down, its events wait in the queue");
            }
            (Condition::Down { attempts, .. }, Condition::Up) => {
                tracing::info!(destination.name = self.destination, %lane, attempts, "destination is back");
            }
            (Condition::Connecting, Condition::Up) => tracing::info!(destination.name = self.destination, %lane, "connected"),
            _ => {}
        }
        *now = condition;
        metrics::up(self.destination, lanes.iter().all(|condition| *condition == Condition::Up));
    }

    /// Why it does not work, if it does not.
    pub fn trouble(&self) -> Option<String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().find_map(|condition| match condition {
            Condition::Up => None,
            Condition::Connecting => Some("connecting".to_owned()),
            Condition::Down { error, .. } => Some(error.clone()),
        })
    }
}
