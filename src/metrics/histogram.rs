//! How long something took: counted by edges ([`Histogram`]), and as it is told and read ([`Buckets`]).
//!
//! Promises: what was counted before the other of two looks can be taken off. Deliberately knows no more than its edges: a quantile
//! is the bucket that it lies in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The edges of our longest histogram, and one place for durations over the last edge.
const PLACES: usize = 16;

/// Counts durations. Recording is one addition.
pub struct Histogram {
    /// Seconds, rising.
    edges: &'static [f64],
    /// How many lie between an edge and the one before it.
    counts: [AtomicU64; PLACES],
}

/// How many were at most each edge, rising; the last bucket has no edge and holds them all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Buckets(pub Vec<Bucket>);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Seconds; absent in the last one.
    pub at_most: Option<f64>,
    pub count: u64,
}

/// Where a quantile lies, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtMost(f64),
    Over(f64),
}

impl Histogram {
    pub const fn new(edges: &'static [f64]) -> Histogram {
        assert!(edges.len() < PLACES);
        Histogram {
            edges,
            counts: [const { AtomicU64::new(0) }; PLACES],
        }
    }

    pub fn record(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self
            .edges
            .iter()
            .position(|edge| seconds <= *edge)
            .unwrap_or(self.edges.len());

        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> Buckets {
        let edges = self.edges.iter().copied().map(Some).chain([None]);
        let mut sum = 0;

        let buckets = edges.zip(&self.counts).map(|(at_most, count)| {
            sum += count.load(Ordering::Relaxed);
            Bucket {
                at_most,
                count: sum,
            }
        });
        Buckets(buckets.collect())
    }
}

impl Buckets {
    pub fn count(&self) -> u64 {
        self.0.last().map_or(0, |bucket| bucket.count)
    }

    /// What came after `before`; everything, where the process has started again since.
    pub fn since(&self, before: &Buckets) -> Buckets {
        let earlier = |edge| {
            before
                .0
                .iter()
                .find(|bucket| bucket.at_most == edge)
                .map_or(0, |bucket| bucket.count)
        };
        let later = self.0.iter().map(|bucket| {
            let count = bucket.count.checked_sub(earlier(bucket.at_most))?;
            Some(Bucket { count, ..*bucket })
        });
        later
            .collect::<Option<Vec<_>>>()
            .map_or_else(|| self.clone(), Buckets)
    }

    /// The bucket in which a quantile lies; `None` where nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Option<Bound> {
        let rank = Some(self.count() as f64 * quantile).filter(|rank| *rank > 0.0)?;
        let place = self
            .0
            .iter()
            .position(|bucket| bucket.count as f64 >= rank)?;

        match self.0.get(place)?.at_most {
            Some(edge) => Some(Bound::AtMost(edge)),
            None => self.0.get(place.checked_sub(1)?)?.at_most.map(Bound::Over),
        }
    }

    /// Which part took longer than one of the edges.
    pub fn share_over(&self, edge: f64) -> Option<f64> {
        let within = self
            .0
            .iter()
            .find(|bucket| bucket.at_most == Some(edge))?
            .count;
        let share = 1.0 - within as f64 / self.count() as f64;
        Some(share).filter(|share| share.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: &[f64] = &[0.1, 1.0];

    /// So many of at most 0.1 s, of at most 1 s, and in all.
    fn buckets(counts: [u64; 3]) -> Buckets {
        let edges = [Some(0.1), Some(1.0), None];
        Buckets(
            edges
                .into_iter()
                .zip(counts)
                .map(|(at_most, count)| Bucket { at_most, count })
                .collect(),
        )
    }

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(EDGES);
        for milliseconds in [1, 100, 101, 1_000, 1_001, 60_000] {
            histogram.record(Duration::from_millis(milliseconds));
        }
        assert_eq!(histogram.read(), buckets([2, 4, 6]));
        assert_eq!(
            serde_json::from_str::<Buckets>(&serde_json::to_string(&histogram.read()).unwrap())
                .unwrap(),
            buckets([2, 4, 6])
        );
    }

    #[test]
    fn a_quantile_is_the_edge_of_its_bucket() {
        let found = buckets([2, 9, 10]);
        assert_eq!(
            (found.quantile(0.2), found.quantile(0.5)),
            (Some(Bound::AtMost(0.1)), Some(Bound::AtMost(1.0)))
        );
        assert_eq!(
            (found.quantile(0.99), found.share_over(0.1)),
            (Some(Bound::Over(1.0)), Some(0.8))
        );
        assert_eq!(Buckets::default().quantile(0.5), None);
        assert_eq!(buckets([0, 0, 0]).share_over(0.1), None);
    }

    #[test]
    fn what_came_between_two_looks_is_their_difference_and_all_after_a_restart() {
        assert_eq!(
            buckets([92, 99, 100]).since(&buckets([2, 9, 10])),
            buckets([90, 90, 90])
        );
        assert_eq!(
            buckets([2, 9, 10]).since(&buckets([92, 99, 100])),
            buckets([2, 9, 10])
        );
        assert_eq!(
            buckets([2, 9, 10]).since(&Buckets::default()),
            buckets([2, 9, 10])
        );
    }
}
