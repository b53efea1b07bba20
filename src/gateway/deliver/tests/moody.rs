//! A destination that takes, refuses or hangs up on what it is sent, as it is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::send::window::Limits;
use crate::send::{Answer, ConnectError, Destination, Lost, Reason, Rejection, Session};
use boxbridge_event::{Lane, PersonType, PictureVerdict, Sequence};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    HangsUp,
    RefusesForNow,
    /// As for a missing permission.
    Forbids,
    FindsTooLarge,
    /// It answers once its session is to end.
    TakesAtTheEnd,
}

/// What was sent: the number of the event, its type and device.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) number: i64,
    pub(super) person_type: PersonType,
    pub(super) device: String,
    pub(super) picture_bytes: usize,
    pub(super) replay: Option<String>,
}

pub(super) struct Moody {
    pub(super) mood: Box<dyn Fn(&Sent) -> Mood + Send + Sync>,
    pub(super) taken: Arc<Mutex<Vec<(Sent, Instant)>>>,
}

impl Destination for Arc<Moody> {
    type Message = Sent;
    type Session = Line;

    async fn connect(&self, _lane: Lane) -> Result<Line, ConnectError> {
        Ok(Line {
            moody: Arc::clone(self),
            wire: VecDeque::new(),
            at_the_end: VecDeque::new(),
            is_lost: false,
        })
    }
}

pub(super) struct Line {
    moody: Arc<Moody>,
    wire: VecDeque<(Sequence, Sent)>,
    at_the_end: VecDeque<Answer>,
    is_lost: bool,
}

impl Session for Line {
    type Message = Sent;

    fn window(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: usize::MAX,
        }
    }

    fn submit(&mut self, sequence: Sequence, message: Sent) {
        self.wire.push_back((sequence, message));
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        if let Some(answer) = self.at_the_end.pop_front() {
            return Ok(answer);
        }
        // An answer takes a moment, so that the loop reads on meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.is_lost {
            std::future::pending::<()>().await;
        }
        let Some((sequence, sent)) = self.wire.pop_front() else {
            return std::future::pending().await;
        };
        match (self.moody.mood)(&sent) {
            Mood::Takes => Ok(self.take(sequence, sent)),
            Mood::TakesAtTheEnd => {
                self.wire.push_front((sequence, sent));
                std::future::pending().await
            }
            Mood::RefusesForNow => Ok(rejected(sequence, Reason::Passing)),
            Mood::Forbids => Ok(rejected(sequence, Reason::NotAuthorised)),
            Mood::FindsTooLarge => Ok(rejected(sequence, Reason::TooLarge)),
            Mood::HangsUp => {
                self.is_lost = true;
                Err(Lost::unexplained("hung up"))
            }
        }
    }

    async fn finish(&mut self) {
        for (sequence, sent) in std::mem::take(&mut self.wire) {
            if (self.moody.mood)(&sent) == Mood::TakesAtTheEnd {
                let answer = self.take(sequence, sent);
                self.at_the_end.push_back(answer);
            }
        }
    }
}

impl Line {
    fn take(&self, sequence: Sequence, sent: Sent) -> Answer {
        self.moody.taken.lock().push((sent, Instant::now()));
        Answer::Acknowledged {
            sequence,
            heard: true,
        }
    }
}

fn rejected(sequence: Sequence, reason: Reason) -> Answer {
    let rejection = Rejection {
        reason,
        detail: "not this one".to_owned(),
        verdict: PictureVerdict::default(),
    };
    Answer::Rejected {
        sequence,
        rejection,
    }
}
