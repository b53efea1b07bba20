//! What the store has settled about pictures: the barrier that the other destinations wait at.
//!
//! Promises: a verdict is shown only for records that the store has answered. Deliberately waits for nothing: how long an event waits
//! for its pictures is its route's.

use std::sync::Arc;

use tokio::sync::watch;

use super::subscription::Subscription;
use boxbridge_event::{Lane, PersonType, PictureVerdict, Sequence};

/// What the destination `store` has settled. Wakes for one lane, and answers for both: a replay in `normal` carries urgent records.
#[derive(Clone)]
pub struct Verdicts {
    store: Option<Store>,
    changed: watch::Receiver<u64>,
}

#[derive(Clone)]
struct Store {
    urgent: Arc<Subscription>,
    normal: Arc<Subscription>,
}

impl Store {
    fn lane(&self, lane: Lane) -> &Subscription {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }
}

impl Verdicts {
    /// `urgent` and `normal` are the store's, if there is one.
    pub fn new(
        urgent: Option<Arc<Subscription>>,
        normal: Option<Arc<Subscription>>,
        lane: Lane,
    ) -> Verdicts {
        let store = urgent
            .zip(normal)
            .map(|(urgent, normal)| Store { urgent, normal });
        let of_lane = store.as_ref().map(|store| store.lane(lane));
        let changed = match of_lane.and_then(|store| store.verdicts.as_ref()) {
            Some(verdicts) => verdicts.settled(),
            None => watch::channel(0).1,
        };
        Verdicts { store, changed }
    }

    /// What became of a record's pictures; `None` while the store has not settled it. Where there is no store, nothing is
    /// waited for.
    pub fn of(
        &self,
        sequence: Sequence,
        lane: Lane,
        person_type: PersonType,
    ) -> Option<PictureVerdict> {
        let Some(store) = &self.store else {
            return Some(PictureVerdict::default());
        };

        let store = store.lane(lane);
        let is_settled = store.progress().is_answered(sequence.0, person_type);
        let verdicts = store.verdicts.as_ref().filter(|_| is_settled);
        is_settled.then(|| verdicts.map(|all| all.of(sequence.0)).unwrap_or_default())
    }

    /// Waits until the store has settled more than at the last call. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // Without a store nothing ever changes.
            std::future::pending::<()>().await;
        }
    }
}
