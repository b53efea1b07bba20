//! A number of bytes as people read it.

use std::fmt;

/// `512 B`, `64 KiB`, `9.9 GiB`: whole where it is, else with one digit more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(u64, &str); 4] = [
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
];

impl From<usize> for Size {
    fn from(bytes: usize) -> Size {
        Size(bytes as u64)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((factor, unit)) = UNITS.iter().find(|(factor, _)| self.0 >= *factor) else {
            return f.pad(&format!("{} B", self.0));
        };
        match self.0.is_multiple_of(*factor) {
            true => f.pad(&format!("{} {unit}", self.0 / factor)),
            false => f.pad(&format!("{:.1} {unit}", self.0 as f64 / *factor as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_the_largest_unit_that_they_reach() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1 << 10, "1 KiB"),
            (1_536, "1.5 KiB"),
            (10 << 30, "10 GiB"),
            ((10 << 30) - 1, "10.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
