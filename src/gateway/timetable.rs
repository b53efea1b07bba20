//! When the newest records got their answer, by destination: for who asks what became of one event, or waits for it.
//!
//! Promises: exact for the last [`RECORDS`] of each destination. An answer costs its loop one short lock that hardly anybody else wants, and
//! wakes those alone who wait for this record.
//! Deliberately forgets everything with the process: whether a record was answered is the queue's to know.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use boxbridge_event::{Outcome, Sequence, Timestamp};

/// Of each destination, both lanes together: 1.6 MB, which is taken as it fills.
const RECORDS: usize = 100_000;

#[derive(Default)]
pub struct Timetable(Mutex<BTreeMap<Arc<str>, Arc<Column>>>);

/// The answers of one destination.
#[derive(Default)]
pub struct Column {
    slots: Mutex<Slots>,
    /// Who waits for the ending of a record, by its sequence.
    awaited: Mutex<HashMap<u64, Vec<oneshot::Sender<Ending>>>>,
}

/// A record stands at its sequence modulo [`RECORDS`]. Two lists of numbers: the kernel gives zeros only where one is touched.
struct Slots {
    /// 0 = nothing here.
    sequences: Vec<u64>,
    answers: Vec<i64>,
}

/// How a record ended, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub at: Timestamp,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Delivered,
    SetAside,
    Expired,
    /// It was set aside, and delivered when an operator had it sent again.
    SentAgain,
}

impl Timetable {
    /// Of this destination; made where there is none yet.
    pub fn of(&self, destination: &Arc<str>) -> Arc<Column> {
        let mut columns = self.0.lock();
        let column = columns.entry(Arc::clone(destination)).or_default();
        Arc::clone(column)
    }
}

impl Default for Slots {
    fn default() -> Slots {
        Slots {
            sequences: vec![0; RECORDS],
            answers: vec![0; RECORDS],
        }
    }
}

impl Column {
    /// The first answer counts: a replay has its own.
    pub fn note(&self, sequence: Sequence, outcome: Outcome) {
        let answered = Answered {
            at: Timestamp::now(),
            ending: Ending::of(outcome),
        };
        self.put(sequence, answered, |known| known < sequence.0);

        let waiting = self.awaited.lock().remove(&sequence.0);
        for tell in waiting.into_iter().flatten() {
            // Who gave up waiting hears nothing.
            let _ = tell.send(answered.ending);
        }
    }

    /// How a record ends, once it does. Who drops this is forgotten.
    pub async fn ending(&self, sequence: Sequence) -> Ending {
        let mut awaited = Awaited::new(self, sequence);
        // Asked behind it: what is noted meanwhile is heard.
        if let Some(answered) = self.of(sequence) {
            return answered.ending;
        }

        match (&mut awaited.told).await {
            Ok(ending) => ending,
            Err(_) => std::future::pending().await,
        }
    }

    /// A record that was set aside was sent again, and delivered.
    pub fn sent_again(&self, sequence: Sequence) {
        let answered = Answered {
            at: Timestamp::now(),
            ending: Ending::SentAgain,
        };
        self.put(sequence, answered, |known| known <= sequence.0);
    }

    fn put(&self, sequence: Sequence, answered: Answered, may_replace: impl Fn(u64) -> bool) {
        let mut slots = self.slots.lock();
        let Slots { sequences, answers } = &mut *slots;

        let place = place(sequence);
        if let (Some(known), Some(answer)) = (sequences.get_mut(place), answers.get_mut(place))
            && may_replace(*known)
        {
            (*known, *answer) = (sequence.0, answered.packed());
        }
    }

    /// `None` for one that was not answered in this process, or too long ago.
    pub fn of(&self, sequence: Sequence) -> Option<Answered> {
        let slots = self.slots.lock();
        let place = place(sequence);
        let is_it = slots.sequences.get(place) == Some(&sequence.0) && sequence.0 > 0;
        let answer = slots.answers.get(place).filter(|_| is_it)?;
        Some(Answered::unpacked(*answer))
    }
}

/// Somebody waits for the ending of a record.
struct Awaited<'a> {
    column: &'a Column,
    sequence: u64,
    told: oneshot::Receiver<Ending>,
}

impl Awaited<'_> {
    fn new(column: &Column, sequence: Sequence) -> Awaited<'_> {
        let (tell, told) = oneshot::channel();
        let mut awaited = column.awaited.lock();
        awaited.entry(sequence.0).or_default().push(tell);
        Awaited {
            column,
            sequence: sequence.0,
            told,
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.told.close();
        let mut awaited = self.column.awaited.lock();
        if let Some(waiting) = awaited.get_mut(&self.sequence) {
            waiting.retain(|tell| !tell.is_closed());
            if waiting.is_empty() {
                awaited.remove(&self.sequence);
            }
        }
    }
}

fn place(sequence: Sequence) -> usize {
    usize::try_from(sequence.0).unwrap_or(usize::MAX) % RECORDS
}

impl Answered {
    fn packed(self) -> i64 {
        self.at.0 * 4 + self.ending as i64
    }

    fn unpacked(packed: i64) -> Answered {
        let ending = match packed.rem_euclid(4) {
            0 => Ending::Delivered,
            1 => Ending::SetAside,
            2 => Ending::Expired,
            _ => Ending::SentAgain,
        };
        Answered {
            at: Timestamp(packed.div_euclid(4)),
            ending,
        }
    }
}

impl Ending {
    fn of(outcome: Outcome) -> Ending {
        match outcome {
            Outcome::Delivered => Ending::Delivered,
            Outcome::SetAside => Ending::SetAside,
            Outcome::Expired { .. } => Ending::Expired,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_thousand_are_known_and_those_before_are_not() {
        let column = Timetable::default().of(&"mqtt".into());
        let last = RECORDS as u64 + 7;
        for sequence in 1..=last {
            column.note(Sequence(sequence), Outcome::Delivered);
        }
        for (sequence, is_known) in [
            (0, false),
            (7, false),
            (8, true),
            (last, true),
            (last + 1, false),
        ] {
            let known = column.of(Sequence(sequence));
            assert_eq!(known.is_some(), is_known, "{sequence}");
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_record_hears_of_it_alone_and_nobody_is_remembered_for_ever() {
        let column = Column::default();
        let (first, second) = tokio::join!(column.ending(Sequence(1)), async {
            let given_up =
                tokio::time::timeout(std::time::Duration::ZERO, column.ending(Sequence(2)));
            assert!(given_up.await.is_err());
            column.note(Sequence(1), Outcome::SetAside);
            column.ending(Sequence(1)).await
        });
        assert_eq!((first, second), (Ending::SetAside, Ending::SetAside));
        assert!(column.awaited.lock().is_empty());
    }

    #[test]
    fn the_first_answer_of_a_record_stays() {
        let column = Column::default();
        column.note(Sequence(1), Outcome::SetAside);
        column.note(Sequence(2), Outcome::Expired { rule: "rotten" });
        let before = column.of(Sequence(1)).unwrap();
        column.note(Sequence(1), Outcome::Delivered);
        assert_eq!(column.of(Sequence(1)), Some(before));
        let endings = [1, 2].map(|sequence| column.of(Sequence(sequence)).unwrap().ending);
        assert_eq!(endings, [Ending::SetAside, Ending::Expired]);
        assert!(before.at.0 > 1_700_000_000_000, "{before:?}");

        column.sent_again(Sequence(1));
        let after = column.of(Sequence(1)).unwrap();
        assert_eq!(after.ending, Ending::SentAgain, "but an operator's resend");
    }
}
