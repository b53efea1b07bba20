//! What came of a device within about the last hour, in steps of ten minutes.
//!
//! Promises: no allocation, and no work while nothing comes. Deliberately kept in memory alone: after a start it begins anew.

use boxbridge_event::WarningCode;

const STEPS: usize = 6;
const STEP_MS: i64 = 600_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Hour {
    steps: [Step; STEPS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Which step of all time it holds.
    number: i64,
    counts: OfHour,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfHour {
    pub events: u32,
    /// Bodies that were refused for their content.
    pub refusals: u32,
    /// Events that brought no sound picture.
    pub without_picture: u32,
    pub warnings: WarningSet,
}

/// A set of warnings, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarningSet(u64);

impl Hour {
    /// OfHour something at this moment, in milliseconds of any clock that never goes back.
    pub fn count(&mut self, now_ms: i64, add: impl FnOnce(&mut OfHour)) {
        let number = now_ms.div_euclid(STEP_MS);
        let place = usize::try_from(number.rem_euclid(STEPS as i64)).unwrap_or_default();

        if let Some(step) = self.steps.get_mut(place) {
            if step.number != number {
                *step = Step {
                    number,
                    counts: OfHour::default(),
                };
            }
            add(&mut step.counts);
        }
    }

    pub fn sum(&self, now_ms: i64) -> OfHour {
        let newest = now_ms.div_euclid(STEP_MS);
        let is_within = |step: &&Step| newest - step.number < STEPS as i64;

        let mut sum = OfHour::default();
        for Step { counts, .. } in self.steps.iter().filter(is_within) {
            sum.events = sum.events.saturating_add(counts.events);
            sum.refusals = sum.refusals.saturating_add(counts.refusals);
            sum.without_picture = sum.without_picture.saturating_add(counts.without_picture);
            sum.warnings.0 |= counts.warnings.0;
        }
        sum
    }
}

impl WarningSet {
    pub fn add(&mut self, code: WarningCode) {
        self.0 |= 1_u64.checked_shl(code.number().into()).unwrap_or_default();
    }

    pub fn codes(self) -> Vec<WarningCode> {
        let has = |code: &WarningCode| {
            let mut one = WarningSet::default();
            one.add(*code);
            self.0 & one.0 != 0
        };
        WarningCode::ALL.iter().copied().filter(has).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_counted_and_what_is_older_is_not() {
        let (mut hour, minute) = (Hour::default(), 60_000);
        for at in [1, 5, 25, 59] {
            hour.count(at * minute, |counts| counts.events += 1);
        }
        hour.count(25 * minute, |counts| {
            counts.warnings.add(WarningCode::ClockSkewed)
        });

        assert_eq!(hour.sum(59 * minute).events, 4);
        assert_eq!(
            hour.sum(61 * minute).events,
            2,
            "the first ten minutes are over"
        );
        assert_eq!(
            hour.sum(61 * minute).warnings.codes(),
            [WarningCode::ClockSkewed]
        );
        assert_eq!(hour.sum(300 * minute), OfHour::default());

        hour.count(121 * minute, |counts| counts.refusals += 1);
        assert_eq!(hour.sum(121 * minute).refusals, 1);
        assert_eq!(hour.sum(121 * minute).events, 0);
    }
}
