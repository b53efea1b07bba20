//! Durations and sizes the way they are written in a config: `250ms`, `1h30m`, `64KiB`.

use std::time::Duration;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const YEAR: Duration = Duration::from_secs(366 * 86_400);
pub(crate) const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TIB: u64 = 1 << 40;

/// `250ms`, `10s`, `5m`, `24h`, `30d`; parts may follow each other: `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;

    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let (unit, after) = after.split_at(
            after
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(after.len()),
        );
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };

        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = after;
    }
    Some(total).filter(|_| !text.is_empty())
}

/// `512`, `64KiB`, `8MiB`, `10GiB`, `1TiB`; also with powers of ten: `1MB`.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };

    number.checked_mul(factor)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// A size the way it is written in a config.
pub(crate) fn written_size(bytes: u64) -> String {
    let units = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];

    let unit = units
        .iter()
        .find(|(factor, _): &&(u64, &str)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(
        || bytes.to_string(),
        |(factor, unit)| format!("{}{unit}", bytes / factor),
    )
}

/// A duration the way it is written in a config.
pub(crate) fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];

    let unit = units
        .iter()
        .find(|(factor, _)| milliseconds >= *factor && milliseconds.is_multiple_of(*factor));
    unit.map_or_else(
        || format!("{milliseconds}ms"),
        |(factor, unit)| format!("{}{unit}", milliseconds / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_as_they_are_written() {
        for text in ["0ms", "250ms", "10s", "5m", "24h", "30d"] {
            let read = duration(text).unwrap();
            assert_eq!(duration(&written(read)), Some(read), "{text}");
        }
        assert_eq!(duration("1h30m").map(written), Some("90m".to_owned()));

        for text in [
            "",
            "5",
            "s",
            "5 s",
            "5x",
            "-5s",
            "999999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }

        for (text, bytes) in [
            ("512", 512),
            ("64KiB", 65_536),
            ("1MB", 1_000_000),
            ("1 GiB", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(size(&written_size(bytes)), Some(bytes), "{text}");
        }

        for text in ["", "KiB", "1.5GiB", "1gib", "-1", "99999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
