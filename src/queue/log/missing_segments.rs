//! Stretches of the log whose segments are not there, and what comes back of them.
//!
//! A segment that is gone is stepped over, since a gateway that does not start silences every box: its records end as rotten. But the file
//! may only be elsewhere: moved by hand, or left out of a restore. Promises: a stretch is in the manifest before any cursor counts it, so a
//! segment that is back is known; a cursor that counted its records gets them as a replay, which counts nothing, and one that had not come
//! so far gets them as ever. Deliberately opens no file.

use serde::{Deserialize, Serialize};

use super::segments::{Log, Part};

/// So many replays at once fit into a slot beside those that are there; the next start takes the others.
const RETURNED_AT_ONCE: usize = 4;
/// In the manifest. Of more, the oldest are forgotten: what comes back of them is taken for delivered.
const STRETCHES_MAX: usize = 64;

/// Sequences, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    pub from: u64,
    pub to: u64,
}

/// What stands in no segment above `position`, the lowest that a cursor has.
pub fn missing(log: &Log, position: u64) -> Vec<Stretch> {
    log.parts(position + 1)
        .filter_map(|(from, part)| match part {
            Part::Gap(gap) => Some(Stretch { from, to: gap.last }),
            Part::Segment(_) => None,
        })
        .collect()
}

/// What of these stands in a segment again.
pub fn returned(log: &Log, gone: &[Stretch]) -> Vec<Stretch> {
    let mut returned: Vec<Stretch> = Vec::new();
    for stretch in gone {
        let parts = log.parts(stretch.from);
        for (from, part) in parts.take_while(|(from, _)| *from <= stretch.to) {
            let Part::Segment(segment) = part else {
                continue;
            };
            let to = segment.through().last().min(stretch.to);
            match returned.last_mut().filter(|before| before.to + 1 == from) {
                Some(before) => before.to = to,
                None => returned.push(Stretch { from, to }),
            }
        }
    }

    returned.truncate(RETURNED_AT_ONCE);
    returned
}

/// All of these, as few as can be.
pub fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|stretch| stretch.from);
    let mut joined: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match joined
            .last_mut()
            .filter(|before| stretch.from <= before.to + 1)
        {
            Some(before) => before.to = before.to.max(stretch.to),
            None => joined.push(stretch),
        }
    }
    joined.split_off(joined.len().saturating_sub(STRETCHES_MAX))
}

/// `gone` without what has come back.
pub fn without(gone: &[Stretch], returned: &[Stretch]) -> Vec<Stretch> {
    let mut left = gone.to_vec();
    for back in returned {
        let halves = |stretch: Stretch| {
            let before = Stretch {
                from: stretch.from,
                to: stretch.to.min(back.from - 1),
            };
            let behind = Stretch {
                from: stretch.from.max(back.to + 1),
                to: stretch.to,
            };
            [before, behind]
        };

        left = left
            .into_iter()
            .flat_map(halves)
            .filter(|stretch| stretch.from <= stretch.to)
            .collect();
    }
    joined(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(bounds: &[(u64, u64)]) -> Vec<Stretch> {
        bounds
            .iter()
            .map(|(from, to)| Stretch {
                from: *from,
                to: *to,
            })
            .collect()
    }

    #[test]
    fn what_has_come_back_is_gone_no_more_and_the_rest_still_is() {
        let gone = joined(stretches(&[(20, 30), (1, 5), (6, 9), (25, 40)]));
        assert_eq!(gone, stretches(&[(1, 9), (20, 40)]));
        assert_eq!(
            without(&gone, &stretches(&[(4, 6), (20, 40)])),
            stretches(&[(1, 3), (7, 9)])
        );
        assert_eq!(without(&gone, &[]), gone);
    }
}
