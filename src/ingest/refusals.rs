//! The log of what is refused: once per source and minute, so that whoever sends nonsense a thousand times a second fills no disk.
//!
//! Promises: address, path and code, no token, nothing of a body. Deliberately no count of anything but what it left out: metrics count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Code, Sharer};

const EVERY: Duration = Duration::from_secs(60);
/// Beyond so many at once, others go without a line.
const SOURCES_MAX: usize = 1024;

#[derive(Default)]
pub struct Refusals {
    said: Mutex<HashMap<Sharer, Said>>,
}

struct Said {
    at: Instant,
    /// Refusals since, of which nothing was said.
    left_out: u64,
}

impl Refusals {
    /// `path` as it may be shown.
    pub fn say(&self, source: IpAddr, path: &str, code: Code) {
        if let Some(left_out) = self.may_say(Sharer::of(source)) {
            tracing::warn!(source.address = %source, path, code = code.as_str(), left_out, "refused");
        }
    }

    /// How many were left out before this one, if it is to be said.
    fn may_say(&self, source: Sharer) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(before) = said.get_mut(&source) {
            if now.duration_since(before.at) < EVERY {
                before.left_out += 1;
                return None;
            }
        } else if said.len() >= SOURCES_MAX {
            said.retain(|_, said| now.duration_since(said.at) < EVERY);
            if said.len() >= SOURCES_MAX {
                return None;
            }
        }
        let before = said.insert(source, Said { at: now, left_out: 0 });
        Some(before.map_or(0, |before| before.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_said_once_and_no_number_of_sources_takes_all_memory() {
        let refusals = Refusals::default();
        let source = Sharer::of([192, 168, 1, 1].into());
        assert_eq!((refusals.may_say(source), refusals.may_say(source)), (Some(0), None));
        for number in 0..5_000_u32 {
            refusals.may_say(Sharer::of(number.to_be_bytes().into()));
        }
        assert_eq!(refusals.said.lock().unwrap().len(), SOURCES_MAX);
    }
}
