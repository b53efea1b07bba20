//! A moment, and how it is written: in JSON, in topics and in logs the same.

use std::fmt;
use std::time::Duration;

use crate::ids::as_text;

mod from_people;

/// Milliseconds since 1970, UTC. Written as RFC 3339 with exactly three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The wall clock, now. Stages that are pure are given it.
    pub fn now() -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    /// Milliseconds from `earlier` to this; negative if it is later.
    pub fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment and `duration` more, at most the last that can be written.
    pub fn plus(self, duration: Duration) -> Timestamp {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(milliseconds).min(LAST))
    }

    /// This moment and `duration` less.
    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Year, month and day, UTC.
    pub fn date(self) -> (i16, i8, i8) {
        let date = self.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date();
        (date.year(), date.month(), date.day())
    }

    /// As people read it: `2026-11-28 02:55:08.670 UTC`.
    pub fn for_people(self) -> String {
        self.to_string().replace('T', " ").replace('Z', " UTC")
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0.clamp(FIRST, LAST)).unwrap_or_default()
    }
}

/// 0001-01-01 and 9999-12-30: beyond them RFC 3339 has no year.
const FIRST: i64 = -62_135_596_800_000;
const LAST: i64 = 253_402_207_199_999;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.to_jiff())
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Timestamp, String> {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|error| format!("{text:?} is not an RFC 3339 time: {error}"))?;
        Ok(Timestamp(time.as_millisecond()))
    }
}

as_text! { Timestamp }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_three_decimals() {
        assert_eq!(
            Timestamp(1_566_016_554_020).to_string(),
            "2019-08-17T04:35:54.020Z"
        );
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_566_016_554_020).date(), (2019, 8, 17));
    }

    #[test]
    fn any_number_of_milliseconds_can_be_written() {
        for milliseconds in [i64::MIN, -1, i64::MAX] {
            assert!(Timestamp(milliseconds).to_string().ends_with('Z'));
        }
    }
}
