//! Sending again what an operator asks for: counted first, then begun, shown and cancelled.
//!
//! Promises: what is begun is on disk when [`Queue::send_again`] returns, so a restart goes on with it; new events never lack room for it.
//! Deliberately decides neither who may get what nor how many go on at once: the caller does.

use std::collections::BTreeMap;
use std::io;

use super::Queue;
use crate::queue::follow::{EndedErrand, Errand, Replay, Selection, Subscription};
use crate::queue::format::IndexEntry;
use crate::queue::log::{ReadError, Segment};
use crate::queue::open_queue::OpenQueue;
use boxbridge_event::{Lane, Timestamp};

/// What one destination is to get again.
#[derive(Clone, Debug)]
pub struct SendAgain {
    pub destination: String,
    pub selection: Selection,
}

/// What is there of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    pub destination: String,
    /// So many are meant.
    pub records: u64,
    /// Of them, so many were never delivered: they come live, and not twice.
    pub live: u64,
    first: u64,
    last: u64,
}

/// A replay that an operator asked for, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayReport {
    pub id: String,
    pub rate: Option<u32>,
    pub began_at: Timestamp,
    pub destinations: Vec<ReplayTo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayTo {
    pub destination: String,
    pub selection: Selection,
    pub state: ReplayState,
    /// So many were meant when it began.
    pub records: u64,
    /// So many have an answer,
    pub sent: u64,
    /// and so many had never been delivered: they came live.
    pub live: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    Running,
    Over,
    Cancelled,
}

impl ReplayTo {
    /// Records that were not sent: still to come, left by a cancel, or, once it is over, no longer there.
    pub fn left(&self) -> u64 {
        self.records.saturating_sub(self.sent + self.live)
    }
}

impl ReplayReport {
    pub fn is_running(&self) -> bool {
        let mut destinations = self.destinations.iter();
        destinations.any(|each| each.state == ReplayState::Running)
    }
}

impl Queue {
    /// Counts what is meant, and changes nothing. A destination that nobody knows is left out.
    pub async fn survey(&self, wanted: Vec<SendAgain>) -> io::Result<Vec<Survey>> {
        self.look(move |open| survey(open, &wanted)).await
    }

    /// Sends it again, as `id`, behind everything live. Returns what there is of it, which is on its way then; what was not, because there
    /// is nothing or because another one is under way for it, is left out.
    pub async fn send_again(
        &self,
        id: String,
        wanted: Vec<SendAgain>,
        rate: Option<u32>,
    ) -> io::Result<Vec<Survey>> {
        self.look(move |open| {
            let mut begun = Vec::new();
            for survey in survey(open, &wanted)? {
                let wanted = wanted.iter();
                let of_it = wanted.filter(|wanted| wanted.destination == survey.destination);
                for SendAgain { selection, .. } in of_it {
                    if begin(open, &id, &survey, selection, rate)? {
                        begun.push(survey.clone());
                    }
                }
            }
            Ok(begun)
        })
        .await
    }

    /// Those under way, and the last that ended for each destination.
    pub fn replays(&self) -> Vec<ReplayReport> {
        let mut reports = BTreeMap::new();
        for subscription in self.open.subscriptions.iter() {
            let progress = subscription.progress();
            for replay in progress.errands() {
                report(&mut reports, subscription, replay, ReplayState::Running);
            }
            if let Some(EndedErrand {
                replay,
                is_cancelled,
            }) = &progress.ended
            {
                let state = match is_cancelled {
                    true => ReplayState::Cancelled,
                    false => ReplayState::Over,
                };
                report(&mut reports, subscription, replay, state);
            }
        }

        let mut reports: Vec<ReplayReport> = reports.into_values().collect();
        reports.sort_by_key(|report| report.began_at);
        reports
    }

    /// Ends one for every destination; false where none of this name is under way. What is on the wire still arrives.
    pub async fn cancel_replay(&self, id: String) -> io::Result<bool> {
        self.look(move |open| {
            let mut is_cancelled = false;
            for subscription in open.subscriptions.iter() {
                is_cancelled |= subscription.cancel_errand(&open.log, &id)?;
            }
            Ok(is_cancelled)
        })
        .await
    }
}

fn begin(
    open: &OpenQueue,
    id: &str,
    survey: &Survey,
    selection: &Selection,
    rate: Option<u32>,
) -> io::Result<bool> {
    let subscription = open.subscriptions.of(&survey.destination, Lane::Normal);
    let Some(subscription) = subscription.filter(|_| survey.records > 0) else {
        return Ok(false);
    };

    let errand = Errand {
        selection: selection.clone(),
        rate,
        began_at: Timestamp::now(),
        records: survey.records,
        sent: 0,
        live: 0,
    };
    let replay = Replay::of_errand(id.to_owned(), survey.first, survey.last, errand);
    subscription.attach_errand(&open.log, replay)
}

fn report(
    reports: &mut BTreeMap<String, ReplayReport>,
    subscription: &Subscription,
    replay: &Replay,
    state: ReplayState,
) {
    let Some(errand) = &replay.errand else {
        return;
    };
    let (sent, live) = replay.done();
    let report = reports.entry(replay.id.clone());
    let report = report.or_insert_with(|| ReplayReport {
        id: replay.id.clone(),
        rate: errand.rate,
        began_at: errand.began_at,
        destinations: Vec::new(),
    });
    report.destinations.push(ReplayTo {
        destination: subscription.destination.clone(),
        selection: errand.selection.clone(),
        state,
        records: errand.records,
        sent,
        live,
    });
}

fn survey(open: &OpenQueue, wanted: &[SendAgain]) -> io::Result<Vec<Survey>> {
    let known = |wanted: &&SendAgain| {
        let subscription = open.subscriptions.of(&wanted.destination, Lane::Normal);
        subscription.is_some()
    };
    let mut counting: Vec<Counting<'_>> = wanted
        .iter()
        .filter(known)
        .map(|wanted| Counting::of(open, wanted))
        .collect();

    for segment in open.log.segments() {
        if counting.iter().any(|each| each.may_be_in(&segment)) {
            count(&segment, &mut counting)?;
        }
    }
    Ok(counting.into_iter().map(|each| each.survey).collect())
}

/// What one destination is to get, as far as the log was read.
struct Counting<'a> {
    open: &'a OpenQueue,
    selection: &'a Selection,
    survey: Survey,
}

fn count(segment: &Segment, counting: &mut [Counting<'_>]) -> io::Result<()> {
    let mut unread = Ok(());
    segment.visit(segment.base(), |sequence, entry| {
        let mut event = None;
        for each in counting.iter_mut() {
            if !each.selection.may_mean(entry) {
                continue;
            }
            match each.is_meant(segment, sequence, entry, &mut event) {
                Ok(true) => each.add(sequence, entry),
                Ok(false) => {}
                Err(error) => {
                    unread = Err(error);
                    return false;
                }
            }
        }
        true
    })?;
    unread
}

impl Counting<'_> {
    fn of<'a>(open: &'a OpenQueue, wanted: &'a SendAgain) -> Counting<'a> {
        Counting {
            open,
            selection: &wanted.selection,
            survey: Survey {
                destination: wanted.destination.clone(),
                records: 0,
                live: 0,
                first: 0,
                last: 0,
            },
        }
    }

    fn may_be_in(&self, segment: &Segment) -> bool {
        let from = self.selection.from;
        from.is_none_or(|from| segment.received_through() >= from)
    }

    /// Whether one that may be meant is; its event is read once for all.
    fn is_meant(
        &self,
        segment: &Segment,
        sequence: u64,
        entry: &IndexEntry,
        event: &mut Option<bytes::Bytes>,
    ) -> io::Result<bool> {
        if !self.selection.asks_the_event() {
            return Ok(true);
        }
        if event.is_none() {
            *event = match segment.read(sequence, entry) {
                Ok((_, event)) => Some(event),
                Err(ReadError::Unanswered(_, error)) => return Err(error),
                Err(_) => return Ok(false),
            };
        }
        let event = event.as_ref();
        Ok(event.is_some_and(|event| self.selection.means(event)))
    }

    fn add(&mut self, sequence: u64, entry: &IndexEntry) {
        let survey = &mut self.survey;
        if survey.records == 0 {
            survey.first = sequence;
        }
        survey.last = sequence;
        survey.records += 1;

        let subscription = self.open.subscriptions.of(&survey.destination, entry.lane);
        let was_answered = subscription
            .is_some_and(|each| each.progress().is_answered(sequence, entry.person_type));
        survey.live += u64::from(!was_answered);
    }
}
