//! The records of a lane, and behind them those that are sent again.
//!
//! Promises: what is sent again comes only while the log has nothing to hand out, and changes none of its counts. Deliberately adds nothing
//! to the urgent lane.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::Line;
use crate::gateway::Records;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

pub struct WithResent<S> {
    log: S,
    /// `None` in the urgent lane.
    line: Option<Arc<Line>>,
    are_held: bool,
}

impl<S: Records> WithResent<S> {
    pub fn new(log: S, line: Option<Arc<Line>>) -> WithResent<S> {
        WithResent {
            log,
            line,
            are_held: false,
        }
    }

    fn line_of(&self, sequence: Sequence) -> Option<&Arc<Line>> {
        self.line.as_ref().filter(|_| Line::is_number(sequence))
    }
}

impl<S: Records> Records for WithResent<S> {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        let line = self.line.as_ref().filter(|_| !self.are_held);
        let log = &mut self.log;
        let types = PersonType::ALL.iter().copied();
        let paused: Vec<_> = types.filter(|word| log.is_paused(*word)).collect();
        async move {
            tokio::select! {
                biased;
                record = log.next() => record,
                record = next_of(line, &paused) => record,
            }
        }
    }

    fn rewind(&mut self) {
        self.log.rewind();
        self.line.iter().for_each(|line| line.rewind());
    }

    /// What is sent again was not left.
    fn read_again(&mut self, from: Sequence) {
        self.log.read_again(from);
    }

    fn pause(&mut self, person_type: PersonType) {
        self.log.pause(person_type);
    }

    fn is_paused(&self, person_type: PersonType) -> bool {
        self.log.is_paused(person_type)
    }

    fn resume(&mut self, person_type: PersonType) {
        self.log.resume(person_type);
    }

    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome) {
        match self.line_of(sequence) {
            Some(line) => line.settle(sequence, verdict, outcome),
            None => self.log.settle(sequence, verdict, outcome),
        }
    }

    fn try_later(&mut self, sequence: Sequence) -> bool {
        self.line_of(sequence)
            .is_some_and(|line| line.try_later(sequence))
    }

    fn pass_over(&mut self) -> impl Future<Output = Infallible> + Send {
        self.log.pass_over()
    }

    fn is_wanted(&self, record: &Record) -> bool {
        match self.line_of(record.sequence) {
            Some(line) => line.is_wanted(record.sequence),
            None => self.log.is_wanted(record),
        }
    }

    fn age(&self, record: &Record) -> Duration {
        self.log.age(record)
    }

    fn hold_replays(&mut self, are_held: bool) {
        self.are_held = are_held;
        self.log.hold_replays(are_held);
    }

    fn urgent_waits(&self) -> bool {
        self.log.urgent_waits()
    }
}

async fn next_of(line: Option<&Arc<Line>>, paused: &[PersonType]) -> Record {
    match line {
        Some(line) => line.next(paused).await,
        None => std::future::pending().await,
    }
}
