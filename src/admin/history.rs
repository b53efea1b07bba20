//! The last hour of a gateway, a minute at a time, for the console's curves.
//!
//! Promises: an hour at most, in memory; a minute costs one look at the gateway, so nothing on the way of an event knows of it. Nothing personal.
//! Deliberately forgets everything with the process: Prometheus is who remembers.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::snapshot::{self, Snapshot};
use crate::metrics::{Bound, Outcome};
use boxbridge_event::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
/// An hour; with ten lanes a minute takes about 2 KB.
const MINUTES_MAX: usize = 60;

#[derive(Default)]
pub struct History(Mutex<State>);

#[derive(Default)]
struct State {
    minutes: VecDeque<Minute>,
    /// With what the minute under way began.
    begin: Option<Begin>,
}

struct Begin {
    at: Instant,
    snapshot: Snapshot,
}

/// What came in that minute, and how things stood at its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Minute {
    pub until: Timestamp,
    /// How long it was: longer than a minute where the process stood still, shorter where it is under way.
    pub seconds: f64,
    pub ready: bool,
    /// Events by outcome.
    pub events: BTreeMap<String, u64>,
    /// Accepted events.
    pub person_types: BTreeMap<String, u64>,
    pub answers: Answers,
    pub waiting_bytes: u64,
    pub free_bytes: u64,
    pub lanes: Vec<Lane>,
}

/// From the last body byte to the answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    pub p50: Option<Bound>,
    pub p99: Option<Bound>,
    /// Events answered 503 and committed all the same.
    pub late: u64,
}

/// As in [`snapshot::Lane`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    pub destination: String,
    pub lane: String,
    pub up: bool,
    pub waiting: u64,
    pub delivered: u64,
    pub set_aside: u64,
    pub oldest_seconds: f64,
    /// Of what was delivered in that minute.
    pub lag_p99: Option<Bound>,
}

/// What went wrong within about the last hour, and is over perhaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lately {
    /// Events that a destination refused.
    pub set_aside: u64,
    /// Bodies that were no event.
    pub refused: u64,
}

impl Lately {
    /// Each in a sentence.
    pub fn notes(self) -> impl Iterator<Item = String> {
        let said = |count: u64, what: &str, list: &str| {
            (count > 0).then(|| {
                format!("{what} within the hour: {count} (`boxbridge {list} list` says why)")
            })
        };
        let aside = said(self.set_aside, "events set aside", "aside");
        let refused = said(self.refused, "bodies refused", "quarantine");
        aside.into_iter().chain(refused)
    }

    fn add(&mut self, minute: &Minute) {
        let of = |word: Outcome| minute.events.get(word.as_str()).copied().unwrap_or(0);
        self.set_aside += minute.lanes.iter().map(|lane| lane.set_aside).sum::<u64>();
        self.refused += of(Outcome::Refused) + of(Outcome::Quarantined);
    }
}

impl History {
    /// Ends the minute under way if its time is over, and begins the next.
    pub fn look(&self, take: impl FnOnce() -> Snapshot) {
        self.look_at(Instant::now(), take);
    }

    fn look_at(&self, now: Instant, take: impl FnOnce() -> Snapshot) {
        let mut state = self.0.lock();
        let begin = state.begin.as_ref();
        if begin.is_some_and(|begin| now.duration_since(begin.at) < MINUTE) {
            return;
        }

        let snapshot = take();
        let minute = begin.map(|begin| begin.until(now, &snapshot));
        state.minutes.extend(minute);
        let over = state.minutes.len().saturating_sub(MINUTES_MAX);
        state.minutes.drain(..over);
        state.begin = Some(Begin { at: now, snapshot });
    }

    /// Of all that is remembered, and of the minute under way.
    pub fn lately(&self, now: &Snapshot) -> Lately {
        let mut lately = Lately::default();
        let state = self.0.lock();
        let under_way = state.begin.as_ref();
        let under_way = under_way.map(|begin| begin.until(Instant::now(), now));
        let minutes = state.minutes.iter().chain(&under_way);
        minutes.for_each(|minute| lately.add(minute));
        lately
    }

    /// All that is remembered, and the minute under way as the last.
    pub fn until_now(&self, snapshot: Snapshot) -> Vec<Minute> {
        let state = self.0.lock();
        let under_way = state.begin.as_ref();
        let under_way = under_way.map(|begin| begin.until(Instant::now(), &snapshot));
        state.minutes.iter().cloned().chain(under_way).collect()
    }
}

impl Begin {
    fn until(&self, now: Instant, end: &Snapshot) -> Minute {
        let begin = &self.snapshot;
        let answers = end.answers.seconds.since(&begin.answers.seconds);
        let queue = end.queue.as_ref();

        Minute {
            until: Timestamp::now(),
            seconds: now.duration_since(self.at).as_secs_f64(),
            ready: end.ready,
            events: since(&end.events, &begin.events),
            person_types: since(&end.person_types, &begin.person_types),
            answers: Answers {
                p50: answers.quantile(0.5),
                p99: answers.quantile(0.99),
                late: end.answers.late.saturating_sub(begin.answers.late),
            },
            waiting_bytes: queue.map_or(0, |queue| queue.waiting_bytes),
            free_bytes: queue.map_or(0, |queue| queue.free_bytes),
            lanes: end.lanes.iter().map(|lane| self.lane(lane)).collect(),
        }
    }

    fn lane(&self, end: &snapshot::Lane) -> Lane {
        let is_it =
            |it: &&snapshot::Lane| (&it.destination, &it.lane) == (&end.destination, &end.lane);
        let begin = self.snapshot.lanes.iter().find(is_it);
        let lags = begin.map_or_else(
            || end.lag_seconds.clone(),
            |begin| end.lag_seconds.since(&begin.lag_seconds),
        );

        Lane {
            destination: end.destination.clone(),
            lane: end.lane.clone(),
            up: end.up,
            waiting: end.waiting,
            delivered: end
                .delivered
                .saturating_sub(begin.map_or(0, |begin| begin.delivered)),
            set_aside: end
                .set_aside
                .saturating_sub(begin.map_or(0, |begin| begin.set_aside)),
            oldest_seconds: end.oldest_seconds,
            lag_p99: lags.quantile(0.99),
        }
    }
}

/// What was counted between two looks.
fn since(end: &BTreeMap<String, u64>, begin: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let before = |word: &String| begin.get(word).copied().unwrap_or(0);
    let counted = end.iter();
    let counted = counted.map(|(word, count)| (word.clone(), count.saturating_sub(before(word))));
    counted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(name: &str) -> Snapshot {
        let path = format!("{}/tests/status/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn a_minute_holds_what_came_in_it_and_how_things_stood_at_its_end() {
        let (history, now) = (History::default(), Instant::now());
        history.look_at(now, || snapshot("before.json"));
        history.look_at(now + MINUTE / 2, || unreachable!("its time is not over"));
        history.look_at(now + MINUTE, || snapshot("now.json"));

        let (before, end) = (snapshot("before.json"), snapshot("now.json"));
        let minutes = history.until_now(snapshot("now.json"));
        let [minute, under_way] = minutes.as_slice() else {
            panic!("{minutes:#?}");
        };
        let accepted = |it: &Snapshot| it.events.get("accepted").copied().unwrap();
        assert_eq!(
            minute.events["accepted"],
            accepted(&end) - accepted(&before)
        );
        assert_eq!(
            (minute.seconds, minute.lanes.len()),
            (60.0, end.lanes.len())
        );
        assert!(minute.answers.p99.is_some() && under_way.answers.p99.is_none());
        assert_eq!(under_way.events["accepted"], 0);

        let set_aside = |it: &Snapshot| it.lanes.iter().map(|lane| lane.set_aside).sum::<u64>();
        let lately = history.lately(&snapshot("now.json"));
        assert_eq!(lately.set_aside, set_aside(&end) - set_aside(&before));
    }

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let (history, now) = (History::default(), Instant::now());
        for minute in 0..200 {
            history.look_at(now + MINUTE * minute, || snapshot("now.json"));
        }
        assert_eq!(history.0.lock().minutes.len(), MINUTES_MAX);
    }
}
