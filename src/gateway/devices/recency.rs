//! Which device is forgotten if the table is full: the least recently seen one of the source that has most of them.
//!
//! Promises: a source that invents devices forgets its own. Being seen costs nothing here: a device's place in the order is corrected
//! when it comes to its turn. Deliberately knows no devices, only their names and when each was seen.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use boxbridge_event::ShareKey;

/// A device's name: its site and its id there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey {
    pub site: Arc<str>,
    pub id: Arc<str>,
}

#[derive(Default)]
pub struct Recency {
    /// Each with a number that grows with everything that is seen. The device on top was seen no later than any other of its source, as
    /// far as is known here.
    by_source: HashMap<ShareKey, BinaryHeap<Reverse<(u64, DeviceKey)>>>,
    sizes: BTreeSet<(usize, ShareKey)>,
}

impl Recency {
    pub fn add(&mut self, source: ShareKey, seen: u64, key: DeviceKey) {
        let heap = self.by_source.entry(source).or_default();
        self.sizes.remove(&(heap.len(), source));
        heap.push(Reverse((seen, key)));
        self.sizes.insert((heap.len(), source));
    }

    /// Takes the device out that is to be forgotten, since `source` has brought one more. `seen` says when a device was seen last; `None`
    /// for one that is not to be forgotten, which is taken out as well.
    pub fn take(
        &mut self,
        source: Option<ShareKey>,
        seen: impl Fn(&DeviceKey) -> Option<u64>,
    ) -> Option<DeviceKey> {
        loop {
            let (most, largest) = *self.sizes.last()?;
            // Of two that have equally many, the one that brought the last gives way.
            let from = source
                .filter(|source| self.sizes.contains(&(most, *source)))
                .unwrap_or(largest);

            if let Some(key) = self.least_recent(from, &seen) {
                return Some(key);
            }
        }
    }

    /// The least recently seen device of this source; `None` if it had none that may be forgotten, and then it has none at all.
    fn least_recent(
        &mut self,
        source: ShareKey,
        seen: impl Fn(&DeviceKey) -> Option<u64>,
    ) -> Option<DeviceKey> {
        let heap = self.by_source.get_mut(&source)?;
        self.sizes.remove(&(heap.len(), source));

        let mut found = None;
        while let Some(Reverse((noted, key))) = heap.pop() {
            match seen(&key) {
                Some(moment) if moment > noted => heap.push(Reverse((moment, key))),
                Some(_) => {
                    found = Some(key);
                    break;
                }
                None => {}
            }
        }

        if heap.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.sizes.insert((heap.len(), source));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> DeviceKey {
        DeviceKey {
            site: "lobby".into(),
            id: id.into(),
        }
    }

    #[test]
    fn the_source_with_most_forgets_what_it_saw_least_recently() {
        let [greedy, other] = ["10.0.0.1", "10.0.0.2"].map(ShareKey::of_peer);
        let mut recency = Recency::default();
        let mut seen: HashMap<DeviceKey, u64> = HashMap::new();
        for (source, id, moment) in [(other, "a", 1), (greedy, "b", 2), (greedy, "c", 3)] {
            recency.add(source, moment, key(id));
            seen.insert(key(id), moment);
        }
        seen.insert(key("b"), 4);

        let take = |recency: &mut Recency, source, seen: &HashMap<DeviceKey, u64>| {
            recency.take(Some(source), |key| seen.get(key).copied())
        };
        assert_eq!(
            take(&mut recency, other, &seen),
            Some(key("c")),
            "b was seen again"
        );
        assert_eq!(
            take(&mut recency, greedy, &seen),
            Some(key("b")),
            "of two with one each"
        );
        seen.remove(&key("a"));
        assert_eq!(
            take(&mut recency, greedy, &seen),
            None,
            "a may not be forgotten"
        );
    }
}
