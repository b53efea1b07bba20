//! A queue that serves its sources in turn: one item of each, round and round.
//!
//! Promises: a source with many items delays another by one item, not by all. The order within a source stays. Push and pop cost the same
//! however many items wait. Deliberately has no limit: the caller bounds what it pushes.

use std::collections::{HashMap, VecDeque};

use boxbridge_event::Sharer;

pub struct InTurn<T> {
    waiting: HashMap<Sharer, VecDeque<T>>,
    /// The sources in the order of their turns; each source with waiting items stands here once.
    order: VecDeque<Sharer>,
}

impl<T> Default for InTurn<T> {
    fn default() -> InTurn<T> {
        InTurn {
            waiting: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> InTurn<T> {
    pub fn push(&mut self, sharer: Sharer, item: T) {
        let of_sharer = self.waiting.entry(sharer).or_default();
        if of_sharer.is_empty() {
            self.order.push_back(sharer);
        }
        of_sharer.push_back(item);
    }

    /// The item that [`InTurn::pop`] would return.
    pub fn next(&self) -> Option<&T> {
        self.waiting.get(self.order.front()?)?.front()
    }

    pub fn pop(&mut self) -> Option<T> {
        let sharer = self.order.pop_front()?;
        let of_sharer = self.waiting.get_mut(&sharer)?;
        let item = of_sharer.pop_front();

        if of_sharer.is_empty() {
            self.waiting.remove(&sharer);
        } else {
            self.order.push_back(sharer);
        }
        item
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_its_turn_however_much_another_has_waiting() {
        let [greedy, other] = ["10.0.0.1", "10.0.0.2"].map(Sharer::of_peer);
        let mut waiting = InTurn::default();
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
