//! How a destination's lanes fare, for whoever looks: `/readyz`, `/metrics`, `boxbridge status`; and when a lane that is down tries again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event::Lane;
use crate::metrics;

/// One destination's connections.
pub struct Link {
    pub destination: &'static str,
    lanes: Mutex<Lanes>,
    /// What the connection dies on, in words, per lane.
    suspects: Mutex<[Vec<String>; Lane::ALL.len()]>,
    /// Ends a lane's pause before its next attempt.
    wake: [Notify; Lane::ALL.len()],
}

type Lanes = [Condition; Lane::ALL.len()];

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
        let lanes = Mutex::new([Condition::Connecting, Condition::Connecting]);
        Link { destination, lanes, suspects: Mutex::default(), wake: Default::default() }
    }

    /// Says the first failure and the recovery, not those in between.
    pub fn set(&self, lane: Lane, condition: Condition) {
        let mut lanes = self.lock();
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
        let is_up = *now == Condition::Up;
        for (_, wake) in lanes.iter().zip(&self.wake).filter(|(condition, _)| is_up && **condition != Condition::Up) {
            wake.notify_one();
        }
        metrics::up(self.destination, lanes.iter().all(|condition| *condition == Condition::Up));
    }

    /// Waits before the next attempt, for `pause` at most: once one lane is through, the other need not wait any longer.
    pub async fn pause(&self, lane: Lane, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.wake[usize::from(lane.number())].notified() => {}
        }
    }

    /// What is held back in this lane since the connection dies on it.
    pub fn suspect(&self, lane: Lane, suspects: Vec<String>) {
        let mut lanes = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        lanes[usize::from(lane.number())] = suspects;
    }

    /// What is held back while the rest flows.
    pub fn suspects(&self) -> Vec<String> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }

    /// Why it does not work, if it does not.
    pub fn trouble(&self) -> Option<String> {
        self.lock().iter().find_map(|condition| match condition {
            Condition::Up => None,
            Condition::Connecting => Some("connecting".to_owned()),
            Condition::Down { error, .. } => Some(error.clone()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Condition {
        Condition::Down { error: "refused".to_owned(), attempts: 1 }
    }

    const LONG: Duration = Duration::from_secs(3_600);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_lane_that_is_through_brings_the_other_along() {
        for (first, second) in [(Lane::Urgent, Lane::Normal), (Lane::Normal, Lane::Urgent)] {
            let link = Link::new("mqtt");
            link.set(first, down());
            link.set(second, down());
            link.set(first, Condition::Up);
            tokio::time::timeout(LONG / 60, link.pause(second, LONG)).await.expect("not waited for");
        }
    }

    #[tokio::test]
    async fn a_lane_that_cannot_connect_does_not_shorten_the_others_pause() {
        let link = Link::new("mqtt");
        link.set(Lane::Normal, down());
        for _ in 0..3 {
            link.pause(Lane::Urgent, SHORT).await;
            link.set(Lane::Urgent, down());
        }
        assert!(tokio::time::timeout(SHORT * 3, link.pause(Lane::Normal, LONG)).await.is_err());
    }
}
