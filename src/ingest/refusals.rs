//! Logs refusals, one line per source and minute: a box that sends nonsense a thousand times a second must not fill the disk. Who is not let
//! in again and again within that minute is told so, and no more.
//!
//! Promises: a line has address, path and code, but no token and nothing of a body. However many sources there are, memory, lines and what
//! is heard out are bounded: those beyond [`SOURCES_MAX`] share one line and one count. Deliberately keeps nobody out: a source may be a
//! network with many boxes, and who shows a good token is let in whatever others show. Metrics count the refusals.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use boxbridge_event::{Code, Refusal, ShareKey};

const EVERY: Duration = Duration::from_secs(60);
/// So many times within a minute a source is told why it is not let in, and is heard out: a site's boxes with an old token are fewer.
const TOLD_MAX: u32 = 30;
/// As many as a log of a minute may have lines. When so many sources have one, all others share one.
const SOURCES_MAX: usize = 1024;
/// Others are counted up to here, at some 50 bytes each.
const OTHERS_MAX: usize = 10_000;
/// Looking for sources whose minute is over is a look at all: not for each refusal of a flood.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Refusals(Mutex<Told>);

#[derive(Default)]
struct Told {
    sources: HashMap<ShareKey, Minute>,
    /// Of all others together.
    of_others: Minute,
    /// Who they were since their last line.
    others: HashSet<ShareKey>,
    looked: Option<Instant>,
}

/// What was said to a source since its last line.
#[derive(Default)]
struct Minute {
    /// When it had that line.
    at: Option<Instant>,
    /// Refusals since then that got no line.
    left_out: u64,
    /// How often it was not let in since then.
    not_let_in: u32,
}

/// What comes of a refusal.
struct Noted {
    line: Option<Line>,
    /// What is answered in its stead.
    instead: Option<Refusal>,
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// Refusals before this one that got none.
    left_out: u64,
    /// Of how many sources; `None` where it is a source's own.
    addresses: Option<usize>,
}

impl Refusals {
    /// Logs a refusal. `path` is as [`super::path::shown`] returns it. The refusal in its stead, where a source was not let in too often.
    pub fn say(&self, source: IpAddr, path: &str, code: Code) -> Option<Refusal> {
        let noted = self.note(source, code);
        if let Some(Line {
            left_out,
            addresses,
        }) = noted.line
        {
            tracing::warn!(source.address = %source, path, code = code.as_str(), left_out, addresses, "refused");
        }
        noted.instead
    }

    /// The same of a connection that brought no request, and what its end was.
    pub fn say_why(&self, source: IpAddr, code: Code, error: &io::Error) {
        if let Some(Line {
            left_out,
            addresses,
        }) = self.note(source, code).line
        {
            tracing::warn!(source.address = %source, code = code.as_str(), %error, left_out, addresses, "refused");
        }
    }

    fn note(&self, source: IpAddr, code: Code) -> Noted {
        let mut told = self.0.lock();
        told.note(ShareKey::of(source), code, Instant::now())
    }
}

impl Told {
    fn note(&mut self, source: ShareKey, code: Code, now: Instant) -> Noted {
        let is_own = self.has_its_own(source, now);
        let minute = if is_own {
            self.sources.entry(source).or_default()
        } else {
            if self.others.len() < OTHERS_MAX {
                self.others.insert(source);
            }
            &mut self.of_others
        };

        let left_out = minute.line(now);
        let is_too_often = code.status() == 401 && minute.is_one_too_many();
        Noted {
            line: left_out.map(|left_out| Line {
                left_out,
                addresses: (!is_own).then(|| std::mem::take(&mut self.others).len()),
            }),
            instead: is_too_often.then(|| too_often(is_own)),
        }
    }

    /// Whether a source has a line of its own, or may have one.
    fn has_its_own(&mut self, source: ShareKey, now: Instant) -> bool {
        if self.sources.contains_key(&source) {
            return true;
        }

        let is_due = |looked| now.duration_since(looked) >= LOOK_EVERY;
        if self.sources.len() >= SOURCES_MAX && self.looked.is_none_or(is_due) {
            self.looked = Some(now);
            self.sources.retain(|_, minute| !minute.is_over(now));
        }
        self.sources.len() < SOURCES_MAX
    }
}

impl Minute {
    fn is_over(&self, now: Instant) -> bool {
        let is_over = |at| now.duration_since(at) >= EVERY;
        self.at.is_none_or(is_over)
    }

    /// How many lines were left out before this one; `None` if this one is left out too.
    fn line(&mut self, now: Instant) -> Option<u64> {
        if !self.is_over(now) {
            self.left_out += 1;
            return None;
        }

        let next = Minute {
            at: Some(now),
            ..Minute::default()
        };
        Some(std::mem::replace(self, next).left_out)
    }

    fn is_one_too_many(&mut self) -> bool {
        self.not_let_in = self.not_let_in.saturating_add(1);
        self.not_let_in > TOLD_MAX
    }
}

fn too_often(is_own: bool) -> Refusal {
    let message = match is_own {
        true => "this address was not let in too often: wait a minute",
        false => "too many addresses are not let in at the moment: wait a minute",
    };
    Refusal::new(Code::TooManyFailures, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32) -> ShareKey {
        ShareKey::of(number.to_be_bytes().into())
    }

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
    fn more_sources_than_have_lines_share_one_a_minute_which_says_how_many_they_are() {
        let (mut told, now) = (Told::default(), Instant::now());
        let own = Some(Line {
            left_out: 0,
            addresses: None,
        });
        for number in 0..SOURCES_MAX as u32 {
            let noted = told.note(source(number), Code::TokenWrong, now);
            assert_eq!(noted.line, own);
        }

        let shared = |left_out, addresses| {
            let addresses = Some(addresses);
            Some(Line {
                left_out,
                addresses,
            })
        };
        let mut refuse = |number, now| told.note(source(number), Code::JsonInvalid, now).line;
        assert_eq!(refuse(5_000, now), shared(0, 1));
        for number in 5_000..5_100 {
            assert_eq!(refuse(number, now), None);
            assert_eq!(refuse(number, now), None);
        }

        // Those with lines of their own have them still.
        let later = now + EVERY - LOOK_EVERY;
        (0..SOURCES_MAX as u32).for_each(|number| assert_eq!(refuse(number, later), None));
        for number in 0..SOURCES_MAX as u32 {
            told.sources.get_mut(&source(number)).unwrap().at = Some(later);
        }
        let noted = told.note(source(5_100), Code::JsonInvalid, now + EVERY);
        assert_eq!(noted.line, shared(200, 101));
    }

    #[test]
    fn no_number_of_sources_takes_all_memory_or_is_heard_out_again_and_again() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut instead = 0;
        for number in 0..20_000 {
            let noted = told.note(source(number), Code::TokenWrong, now);
            instead += usize::from(noted.instead.is_some());
        }
        assert_eq!(instead, 20_000 - SOURCES_MAX - TOLD_MAX as usize);
        assert_eq!(told.sources.len(), SOURCES_MAX);
        assert_eq!(told.others.len(), OTHERS_MAX);

        let noted = told.note(source(30_000), Code::TokenWrong, now + EVERY);
        assert!(noted.instead.is_none(), "a minute later");
        assert_eq!(told.sources.len(), 1);
    }
}
