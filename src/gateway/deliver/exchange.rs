//! One session, from its first record to its loss: records are read and submitted, answers are taken.
//!
//! Promises: while pictures are fetched or nothing flows, answers are taken and a stop is heard.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::admit::settled;
use super::backlog::{Admitted, Refused};
use super::{Delivery, Records, now};
use crate::gateway::Render;
use crate::metrics;
use crate::queue::Verdicts;
use crate::send::contact::PROVEN;
use crate::send::window::Now;
use crate::send::{Answer, Destination, Lost, Reason, Rejection, Session};
use boxbridge_event::{PictureVerdict, Record, Sequence};

/// So many answers, or records, are taken before the loop looks at everything else again: that costs as much as one of them.
const AT_ONCE: usize = 32;

impl<D, R, S> Delivery<D, R, S>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    /// Why it ended, and whether anything was answered in it.
    pub(super) async fn exchange(
        &mut self,
        mut session: D::Session,
        stop: &CancellationToken,
    ) -> (Lost, bool) {
        let mut has_progressed = false;
        // Until then it may be one that connects and dies.
        let mut unproven = Some(Instant::now() + PROVEN);
        loop {
            let now = now();
            self.backlog.end_waits(
                |record| settled(self.verdicts.as_ref(), record).is_some(),
                now,
            );
            self.place_next(now.at);
            self.submit_ready(&mut session).await;
            self.backlog.make_room(now.at);
            self.tell();

            let moment = self.next_moment(now.at).into_iter().chain(unproven).min();
            let has_room = self.backlog.window().has_room() && self.unplaced.has_room();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    session.finish().await;
                    self.acknowledged_last(&mut session);
                    self.put_last().await;
                    return (Lost { error: "stopped".to_owned(), is_explained: true }, has_progressed);
                }
                answer = session.next() => {
                    if answer.is_ok() {
                        has_progressed = true;
                        self.prove(&mut unproven);
                    }
                    if let Err(lost) = self.answered_all(answer, &mut session).await {
                        return (lost, has_progressed);
                    }
                }
                // Before what is sent again, which comes behind it.
                types = self.contact.resumed(self.lane) => {
                    session.resumed();
                    self.backlog.resume(types);
                }
                put = self.unplaced.put() => self.was_put(put),
                fetched = self.fetches.next() => self.take_pictures(fetched),
                record = self.backlog.next(), if has_room => self.admit_all(record).await,
                () = changed(&mut self.verdicts), if self.verdicts.is_some() => {}
                () = until(moment) => {}
            }

            if unproven.is_some_and(|proven| proven <= Instant::now()) {
                self.prove(&mut unproven);
            }
        }
    }

    /// The connection works; said once.
    fn prove(&self, unproven: &mut Option<Instant>) {
        if unproven.take().is_some() {
            self.contact.up(self.lane);
        }
    }

    /// Takes an answer, and those that are there beside it.
    async fn answered_all(
        &mut self,
        first: Result<Answer, Lost>,
        session: &mut D::Session,
    ) -> Result<(), Lost> {
        self.answered(first?).await;
        for _ in 1..AT_ONCE {
            let Some(answer) = at_once(session.next()) else {
                break;
            };
            self.answered(answer?).await;
        }
        Ok(())
    }

    /// Takes in a record, and those that are there behind it.
    async fn admit_all(&mut self, first: Record) {
        self.admit(first).await;
        for _ in 1..AT_ONCE {
            let has_room = self.backlog.window().has_room() && self.unplaced.has_room();
            let Some(record) = has_room.then(|| at_once(self.backlog.next())).flatten() else {
                return;
            };
            self.admit(record).await;
        }
        // More are there: others on this thread take their turn before.
        tokio::task::yield_now().await;
    }

    fn next_moment(&self, now: Instant) -> Option<Instant> {
        let of_window = self.backlog.window().next_moment(now);
        of_window
            .into_iter()
            .chain(self.unplaced.next_moment())
            .min()
    }

    async fn submit_ready(&mut self, session: &mut D::Session) {
        while self.fetches.has_room() {
            let now = now();
            let Some(sequence) = self.backlog.next_ready(now) else {
                return;
            };
            if self.has_pictures(sequence) {
                self.submit(sequence, session, now).await;
            } else if !self.backlog.hold(sequence, None) {
                return;
            }
        }
    }

    async fn submit(&mut self, sequence: Sequence, session: &mut D::Session, now: Now) {
        let Some(admitted) = self.backlog.window().payload(sequence) else {
            return;
        };
        if !self.backlog.is_wanted(&admitted.record) {
            return self.backlog.withdraw(sequence);
        }
        let wait = self.backlog.window().expected_wait_of(sequence);

        match self.message(admitted, now.clock, wait) {
            Ok(Some(message)) => {
                self.backlog
                    .submitted(sequence, self.render.size(&message), now);
                self.note_sent(sequence, &message);
                session.submit(sequence, message);
            }
            Ok(None) if admitted.record.resent.is_none() => {
                self.backlog.nothing_to_send(sequence, now)
            }
            // Nobody would get it, and it would be gone.
            Ok(None) => self.unsendable(sequence, &unrouted(), now).await,
            Err(rejection) => self.unsendable(sequence, &rejection, now).await,
        }
    }

    async fn unsendable(&mut self, sequence: Sequence, rejection: &Rejection, now: Now) {
        if let Some(ending) = self.backlog.unsendable(sequence, now) {
            self.set_aside(ending, rejection).await;
        }
    }

    /// What the set-aside store may need of it later.
    fn note_sent(&mut self, sequence: Sequence, message: &D::Message) {
        let Some(admitted) = self.backlog.get_mut(sequence) else {
            return;
        };
        admitted.topic = self.render.topic(message);
        // Where it needs them, they cost nothing more: the session holds the same bytes.
        if !self.render.keeps_pictures() {
            admitted.pictures = Default::default();
        }
    }

    async fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Acknowledged { sequence, heard } => self.acknowledged(sequence, heard),
            Answer::Expired {
                sequence,
                rule,
                verdict,
            } => {
                self.backlog.expired(sequence, verdict, rule);
                self.say_expiring(rule);
            }
            Answer::Rejected {
                sequence,
                rejection,
            } => self.rejected(sequence, &rejection).await,
        }
    }

    fn acknowledged(&mut self, sequence: Sequence, heard: bool) {
        let admitted = self.backlog.delivered(sequence, Instant::now());
        if std::mem::take(&mut self.is_expiring) {
            tracing::info!(
                destination.name = &*self.contact.destination,
                "there is room again"
            );
        }
        if let Some(admitted) = admitted {
            self.count_delivered(&admitted, heard);
        }
    }

    /// While the session ended, so that it is not sent again. Refusals come again with their records.
    fn acknowledged_last(&mut self, session: &mut D::Session) {
        while let Some(Ok(answer)) = at_once(session.next()) {
            if let Answer::Acknowledged { sequence, heard } = answer {
                self.acknowledged(sequence, heard);
            }
        }
    }

    fn say_expiring(&mut self, rule: &str) {
        if !std::mem::replace(&mut self.is_expiring, true) {
            tracing::error!(
                destination.name = &*self.contact.destination,
                rule,
                "events go on without what the rule ends"
            );
        }
    }

    async fn rejected(&mut self, sequence: Sequence, rejection: &Rejection) {
        match self
            .backlog
            .refused(sequence, rejection.reason, Instant::now())
        {
            Refused::Waits(None) => {}
            Refused::Waits(Some(extent)) => self.say_waiting(sequence, rejection, extent),
            Refused::Ends(ending) => self.set_aside(ending, rejection).await,
        }
    }

    fn count_delivered(&self, admitted: &Admitted, heard: bool) {
        let person_type = admitted.record.person_type;
        if !heard {
            metrics::no_subscriber(self.lane, person_type);
        }
        if admitted.record.replay.is_none() {
            let took = self.backlog.age(&admitted.record);
            self.contact.lags.record(self.lane, person_type, took);
        }
    }
}

/// Of a record that was set aside and is sent again.
fn unrouted() -> Rejection {
    Rejection {
        reason: Reason::Unrouted,
        detail:
            "by its route nothing of it goes there now: what is sent again goes to the late topic"
                .to_owned(),
        verdict: PictureVerdict::default(),
    }
}

/// What a future has now; one that would wait is dropped.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

async fn changed(verdicts: &mut Option<Verdicts>) {
    match verdicts {
        Some(verdicts) => verdicts.changed().await,
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
