//! `[normalize]`: how the box's document becomes an event.

use std::time::Duration;

use crate::reader::Reader;
use crate::reader::units::HOUR;

#[derive(Clone, Debug)]
pub struct Normalize {
    pub dedupe_window: Duration,
    pub dedupe_max_events: usize,
    pub score_scale: ScoreScale,
    pub picture_max_pixels: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreScale {
    /// A score over 1 is out of 100.
    Auto,
    One,
    Hundred,
}

impl Normalize {
    pub(crate) fn read(read: &mut Reader) -> Normalize {
        let scales = [
            ("auto", ScoreScale::Auto),
            ("1", ScoreScale::One),
            ("100", ScoreScale::Hundred),
        ];

        Normalize {
            dedupe_window: read.live().duration(
                "normalize.dedupe_window",
                Duration::ZERO,
                24 * HOUR,
            ),
            dedupe_max_events: read
                .live()
                .count("normalize.dedupe_max_events", 1, 10_000_000),
            score_scale: read.live().word("normalize.score_scale", &scales),
            picture_max_pixels: read.live().size_of(
                "normalize.picture_max_pixels",
                "pixels",
                1,
                u64::MAX,
            ),
        }
    }
}
