//! A queue that serves its sources in turn: one item of each, round and round.
//!
//! Promises: a source with many items delays another by one item, not by all. The order within a source stays. Push and pop cost the same
//! however many items wait. Deliberately has no limit: the caller bounds what it pushes.

use std::collections::{HashMap, VecDeque};

use crate::ShareKey;

pub struct FairQueue<T> {
    waiting: HashMap<ShareKey, VecDeque<T>>,
    /// The sources in the order of their turns; each source with waiting items stands here once.
    order: VecDeque<ShareKey>,
}

impl<T> Default for FairQueue<T> {
    fn default() -> FairQueue<T> {
        FairQueue {
            waiting: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> FairQueue<T> {
    pub fn push(&mut self, source: ShareKey, item: T) {
        let of_source = self.waiting.entry(source).or_default();
        if of_source.is_empty() {
            self.order.push_back(source);
        }
        of_source.push_back(item);
    }

    /// The item that [`FairQueue::pop`] would return.
    pub fn next(&self) -> Option<&T> {
        self.waiting.get(self.order.front()?)?.front()
    }

    pub fn pop(&mut self) -> Option<T> {
        let source = self.order.pop_front()?;
        let of_source = self.waiting.get_mut(&source)?;
        let item = of_source.pop_front();

        if of_source.is_empty() {
            self.waiting.remove(&source);
        } else {
            self.order.push_back(source);
        }
        item
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_turn_however_much_another_has_waiting() {
        let [greedy, other] = ["10.0.0.1", "10.0.0.2"].map(ShareKey::of_peer);
        let mut waiting = FairQueue::default();
        (0..3).for_each(|number| waiting.push(greedy, (greedy, number)));
        waiting.push(other, (other, 0));
        let mut order = Vec::new();
        while let Some(next) = waiting.next().copied() {
            assert_eq!(waiting.pop(), Some(next));
            order.push(next);
        }
        assert_eq!(order, [(greedy, 0), (other, 0), (greedy, 1), (greedy, 2)]);
        assert!(waiting.is_empty() && waiting.waiting.is_empty() && waiting.pop().is_none());
    }
}
