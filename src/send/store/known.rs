//! Which objects the store has taken from us, and which are on their way to it.
//!
//! Promises: an object that was stored within the last day is not stored again, as far as memory allows; an object is never on its way twice.
//! Forgetting costs one upload, so everything here is bounded and nothing is written down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::system::clock;
use boxbridge_event::PictureKind;

/// How long we believe that an object is still there. The store keeps an object at least so long after it was named.
pub(super) const REMEMBERED: Duration = Duration::from_secs(86_400);

/// Enrolled photos come again and again: 2 × 64 Ki of them are remembered, about 6 MB.
const REGISTERED_MAX: usize = 65_536;
/// The others come again only when a session is lost.
const OTHERS_MAX: usize = 4_096;

/// Clones know the same.
#[derive(Clone)]
pub(super) struct Known {
    state: Arc<Mutex<State>>,
}

struct State {
    registered: Generations,
    others: Generations,
    /// Uploads in progress; the channel closes when one ends.
    underway: HashMap<Id, watch::Receiver<()>>,
    /// How often everything was forgotten.
    forgotten: u64,
}

/// The first half of the SHA-256 of a key: a key itself is three times as long.
type Id = [u8; 16];

/// Two maps. When the younger is full, the older is dropped: a bound without a list in order of age.
struct Generations {
    max: usize,
    /// When it was stored, by the uptime, which goes on while the machine sleeps.
    younger: HashMap<Id, i64>,
    older: HashMap<Id, i64>,
}

/// The answer to "who stores this object?"
pub(super) enum Claim {
    /// Nobody: it is there.
    Stored,
    Ours(Ours),
}

/// The right to store, or remove, an object; ends when it is dropped.
pub(super) struct Ours {
    state: Arc<Mutex<State>>,
    id: Id,
    kind: PictureKind,
    /// As it was when the claim was made.
    forgotten: u64,
    _done: watch::Sender<()>,
}

impl Known {
    pub(super) fn new() -> Known {
        let (registered, others) = (
            Generations::new(REGISTERED_MAX),
            Generations::new(OTHERS_MAX),
        );
        Known {
            state: Arc::new(Mutex::new(State {
                registered,
                others,
                underway: HashMap::new(),
                forgotten: 0,
            })),
        }
    }

    pub(super) fn is_stored(&self, kind: PictureKind, key: &str) -> bool {
        lock(&self.state).generations(kind).contains(&id(key))
    }

    /// Nothing is believed any more, nor what is on its way now.
    pub(super) fn forget(&self) {
        let mut state = lock(&self.state);
        state.forgotten += 1;
        state.registered = Generations::new(REGISTERED_MAX);
        state.others = Generations::new(OTHERS_MAX);
    }

    /// Waits while another stores it.
    pub(super) async fn claim(&self, kind: PictureKind, key: &str) -> Claim {
        let id = id(key);
        loop {
            let mut other = {
                let mut state = lock(&self.state);
                if state.generations(kind).contains(&id) {
                    return Claim::Stored;
                }

                match state.underway.get(&id) {
                    Some(other) => other.clone(),
                    None => return Claim::Ours(self.take(&mut state, kind, id)),
                }
            };
            // Nothing is ever sent: it ends when the sender is dropped.
            let _ = other.changed().await;
        }
    }

    /// The right to remove an object that is not on its way; an upload of it waits meanwhile.
    pub(super) fn claim_to_remove(&self, key: &str) -> Option<Ours> {
        let id = id(key);
        let mut state = lock(&self.state);
        let kinds = [PictureKind::Registered, PictureKind::Scene];
        let wanted = state.underway.contains_key(&id)
            || kinds
                .iter()
                .any(|kind| state.generations(*kind).contains(&id));
        (!wanted).then(|| self.take(&mut state, PictureKind::Scene, id))
    }

    fn take(&self, state: &mut State, kind: PictureKind, id: Id) -> Ours {
        let (done, waiting) = watch::channel(());
        state.underway.insert(id, waiting);
        Ours {
            state: Arc::clone(&self.state),
            id,
            kind,
            forgotten: state.forgotten,
            _done: done,
        }
    }
}

impl Ours {
    /// It is there now; false if all that was written until now may be lost.
    pub(super) fn stored(self) -> bool {
        let mut state = lock(&self.state);
        let is_believed = state.forgotten == self.forgotten;
        if is_believed {
            state.generations(self.kind).insert(self.id);
        }
        is_believed
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        lock(&self.state).underway.remove(&self.id);
    }
}

impl State {
    fn generations(&mut self, kind: PictureKind) -> &mut Generations {
        match kind {
            PictureKind::Registered => &mut self.registered,
            PictureKind::Scene | PictureKind::Face | PictureKind::Infrared => &mut self.others,
        }
    }
}

impl Generations {
    fn new(max: usize) -> Generations {
        Generations {
            max,
            younger: HashMap::new(),
            older: HashMap::new(),
        }
    }

    fn insert(&mut self, id: Id) {
        if self.younger.len() >= self.max {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(id, clock::uptime_ms());
    }

    fn contains(&self, id: &Id) -> bool {
        let stored = self.younger.get(id).or_else(|| self.older.get(id));
        stored.is_some_and(|stored| {
            u128::from(clock::uptime_ms().abs_diff(*stored)) < REMEMBERED.as_millis()
        })
    }
}

fn id(key: &str) -> Id {
    let digest = Sha256::digest(key.as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: PictureKind = PictureKind::Scene;

    #[tokio::test]
    async fn an_object_is_on_its_way_once_and_whoever_waits_takes_over_a_failure() {
        let known = Known::new();
        let Claim::Ours(first) = known.claim(KIND, "a").await else {
            panic!("stored")
        };
        assert!(known.claim_to_remove("a").is_none());

        let mut second = std::pin::pin!(known.claim(KIND, "a"));
        assert!(at_once(&mut second).await.is_none());

        drop(first);
        let Claim::Ours(second) = second.await else {
            panic!("stored")
        };
        assert!(second.stored());

        assert!(matches!(known.claim(KIND, "a").await, Claim::Stored));
        assert!(known.is_stored(KIND, "a") && !known.is_stored(KIND, "b"));
        assert!(known.claim_to_remove("a").is_none());
    }

    #[tokio::test]
    async fn what_is_forgotten_is_stored_again_and_so_is_what_was_on_its_way() {
        let known = Known::new();
        let Claim::Ours(before) = known.claim(KIND, "a").await else {
            panic!("stored")
        };
        assert!(before.stored());
        let Claim::Ours(meanwhile) = known.claim(KIND, "b").await else {
            panic!("stored")
        };

        known.forget();

        assert!(!meanwhile.stored());
        assert!(!known.is_stored(KIND, "a") && !known.is_stored(KIND, "b"));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_remembered() {
        let mut generations = Generations::new(10);
        for number in 0..1_000_u32 {
            generations.insert(id(&number.to_string()));
        }
        assert!(generations.younger.len() + generations.older.len() <= 20);
        assert!((990..1_000_u32).all(|number| generations.contains(&id(&number.to_string()))));
    }

    /// The future's value if it is there already.
    async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::time::timeout(Duration::ZERO, future).await.ok()
    }
}
