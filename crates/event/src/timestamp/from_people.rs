//! A moment as a person writes it: `14:00`, `2026-11-28 14:00`, RFC 3339, `2h ago`, `now`.
//!
//! Promises: a time without a zone is the host's local time, and a time of day is today's. Deliberately guesses nothing: what may mean two
//! moments is refused, but for an hour that the clocks go through twice, which is the first of both.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};

use super::Timestamp;

const FORMS: &str =
    "14:00 (today), 2026-11-28, \"2026-11-28 14:00\", 2026-11-28T14:00:00Z, \"2h ago\" or now";

impl Timestamp {
    /// The moment that a person means, now and on this host.
    pub fn from_people(text: &str, now: Timestamp) -> Result<Timestamp, String> {
        meant(text.trim(), &now.to_jiff().to_zoned(TimeZone::system()))
    }
}

fn meant(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp(now.timestamp().as_millisecond()));
    }

    let moment = of_any_zone(text)
        .or_else(|| ago(text, now))
        .or_else(|| of_a_day(text, now))
        .or_else(|| of_today(text, now));
    moment
        .map(|moment| Timestamp(moment.as_millisecond()))
        .ok_or_else(|| format!("{text:?} is no time: write {FORMS}"))
}

fn of_any_zone(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

fn ago(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let span: Span = text.ends_with("ago").then(|| text.parse().ok())??;
    let moment = now.checked_add(span).ok()?;
    span.is_negative().then(|| moment.timestamp())
}

fn of_a_day(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let is_plain = |c: char| c.is_ascii_digit() || "-:. T".contains(c);
    let is_day = text.contains('-') && text.chars().all(is_plain);
    let moment: DateTime = is_day.then(|| text.parse().ok())??;
    of_local(moment, now)
}

fn of_today(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    let is_plain = |c: char| c.is_ascii_digit() || ":.".contains(c);
    let is_time = text.contains(':') && text.chars().all(is_plain);
    let time: Time = is_time.then(|| text.parse().ok())??;
    of_local(now.date().to_datetime(time), now)
}

fn of_local(moment: DateTime, now: &Zoned) -> Option<jiff::Timestamp> {
    let moment = moment.to_zoned(now.time_zone().clone()).ok()?;
    Some(moment.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half past two in the afternoon, two hours east of Greenwich.
    fn check(text: &str, expected: Option<&str>) {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: jiff::Timestamp = "2026-11-28T12:30:00.500Z".parse().unwrap();
        let found = meant(text, &now.to_zoned(zone)).ok();
        let found = found.map(|moment| moment.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_time_without_a_zone_is_the_hosts_own() {
        check("14:00", Some("2026-11-28T12:00:00.000Z"));
        check("9:00", None);
        check("09:00:30", Some("2026-11-28T07:00:30.000Z"));
        check("2026-11-27", Some("2026-11-26T22:00:00.000Z"));
        check("2026-11-27 14:00", Some("2026-11-27T12:00:00.000Z"));
        check("2026-11-27T14:00:01.250", Some("2026-11-27T12:00:01.250Z"));
    }

    #[test]
    fn a_time_with_a_zone_is_of_that_zone() {
        check("2026-11-28T14:00:00Z", Some("2026-11-28T14:00:00.000Z"));
        check("2026-11-28T14:00-05:00", Some("2026-11-28T19:00:00.000Z"));
        check("2026-11-28 14:00+02", Some("2026-11-28T12:00:00.000Z"));
    }

    #[test]
    fn a_time_ago_counts_back_from_now() {
        check("now", Some("2026-11-28T12:30:00.500Z"));
        check("2h ago", Some("2026-11-28T10:30:00.500Z"));
        check("1h30m ago", Some("2026-11-28T11:00:00.500Z"));
        check("90 minutes ago", Some("2026-11-28T11:00:00.500Z"));
        check("1d ago", Some("2026-11-27T12:30:00.500Z"));
    }

    #[test]
    fn what_is_no_one_moment_is_refused_with_what_may_be_written() {
        for text in [
            "",
            "14",
            "1400",
            "14:00Z",
            "14:00+02:00",
            "14:00-05:00",
            "2h",
            "-2h ago",
            "25:00",
            "yesterday",
            "11/28/2026",
            "1566016554020",
            "2026-11-28T14:00+99:00",
        ] {
            check(text, None);
        }
        let error = Timestamp::from_people("noon", Timestamp(0)).unwrap_err();
        assert!(
            error.contains("\"noon\"") && error.contains("2h ago"),
            "{error}"
        );
    }
}
