//! Logs refusals, one line per source and minute: a box that sends nonsense a thousand times a second must not fill the disk. Who is not let
//! in again and again within that minute is told so, and no more.
//!
//! Promises: a line has address, path and code, but no token and nothing of a body. Deliberately keeps nobody out: a source may be a network
//! with many boxes, and who shows a good token is let in whatever others show. Metrics count the refusals.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use boxbridge_event::{Code, Refusal, ShareKey};

const EVERY: Duration = Duration::from_secs(60);
/// So many times within a minute a source is told why it is not let in, and is heard out: a site's boxes with an old token are fewer.
const TOLD_MAX: u32 = 30;
/// When so many sources are remembered, others get no line.
const SOURCES_MAX: usize = 1024;

#[derive(Default)]
pub struct Refusals {
    said: Mutex<HashMap<ShareKey, LastLine>>,
}

struct LastLine {
    at: Instant,
    /// Refusals since then that got no line.
    left_out: u64,
    /// How often it was not let in since then.
    not_let_in: u32,
}

impl Refusals {
    /// Logs a refusal. `path` is as [`super::path::shown`] returns it. The refusal in its stead, where a source was not let in too often.
    pub fn say(&self, source: IpAddr, path: &str, code: Code) -> Option<Refusal> {
        let key = ShareKey::of(source);
        if let Some(left_out) = self.may_say(key) {
            tracing::warn!(source.address = %source, path, code = code.as_str(), left_out, "refused");
        }

        let is_too_often = code.status() == 401 && self.is_one_too_many(key);
        is_too_often.then(|| {
            let message = "this address was not let in too often: wait a minute";
            Refusal::new(Code::TooManyFailures, message)
        })
    }

    fn is_one_too_many(&self, source: ShareKey) -> bool {
        let mut said = self.said.lock();
        said.get_mut(&source).is_some_and(|line| {
            line.not_let_in = line.not_let_in.saturating_add(1);
            line.not_let_in > TOLD_MAX
        })
    }

    /// The same of a connection that brought no request, and what its end was.
    pub fn say_why(&self, source: IpAddr, code: Code, error: &io::Error) {
        if let Some(left_out) = self.may_say(ShareKey::of(source)) {
            tracing::warn!(source.address = %source, code = code.as_str(), %error, left_out, "refused");
        }
    }

    /// How many lines were left out before this one; `None` if this one is left out too.
    fn may_say(&self, source: ShareKey) -> Option<u64> {
        let mut said = self.said.lock();
        let now = Instant::now();
        let is_due = |line: &LastLine| now.duration_since(line.at) >= EVERY;

        match said.get_mut(&source) {
            Some(line) if !is_due(line) => {
                line.left_out += 1;
                return None;
            }
            Some(_) => {}
            None => {
                if said.len() >= SOURCES_MAX {
                    said.retain(|_, line| !is_due(line));
                }
                if said.len() >= SOURCES_MAX {
                    return None;
                }
            }
        }

        let line = LastLine {
            at: now,
            left_out: 0,
            not_let_in: 0,
        };
        let before = said.insert(source, line);
        Some(before.map_or(0, |before| before.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_let_in_too_often_within_a_minute_is_told_so_and_others_are_not() {
        let refusals = Refusals::default();
        let say = |last: u8, code| {
            let instead = refusals.say([192, 168, 1, last].into(), "?", code);
            instead.map(|refusal| refusal.code)
        };
        for _ in 0..TOLD_MAX {
            assert_eq!(say(1, Code::TokenWrong), None);
            assert_eq!(say(1, Code::JsonInvalid), None, "that one was let in");
        }
        assert_eq!(say(1, Code::TokenMissing), Some(Code::TooManyFailures));
        assert_eq!(say(1, Code::JsonInvalid), None);
        assert_eq!(say(2, Code::TokenWrong), None);
    }

    #[test]
    fn each_source_is_said_once_and_no_number_of_sources_takes_all_memory() {
        let refusals = Refusals::default();
        let source = ShareKey::of([192, 168, 1, 1].into());
        assert_eq!(
            (refusals.may_say(source), refusals.may_say(source)),
            (Some(0), None)
        );
        for number in 0..5_000_u32 {
            refusals.may_say(ShareKey::of(number.to_be_bytes().into()));
        }
        assert_eq!(refusals.said.lock().len(), SOURCES_MAX);
    }
}
