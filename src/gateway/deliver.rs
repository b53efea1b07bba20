//! The way out: record → message → session → answer → outcome. One loop per destination and lane.
//!
//! Promises: a record ends only by an answer, a rule, or once it is durably set aside; a lost session
//! is followed by another that takes up at the lowest record without an outcome. Deliberately decides
//! nothing about order and pauses: that is `send::window`.
//!
//! Here sessions follow each other. `exchange` is one session; `admit`, `pictures`, `message` and
//! `set_aside` are what happens to a record in it; `backlog` keeps the books.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod admit;
mod backlog;
mod exchange;
mod message;
mod notices;
mod parsed;
mod pauses;
mod pictures;
mod records;
mod set_aside;

use tokio_util::sync::CancellationToken;

use super::Render;
use crate::links::album::Album;
use crate::queue::Verdicts;
use crate::send::contact::Contact;
use crate::send::window::{Blame, Limits, Now};
use crate::send::{ConnectError, Destination, Session};
use boxbridge_event::{Lane, Timestamp};

pub use backlog::{Backlog, window_of};
pub use parsed::ParsedEvents;
pub use pauses::{Noted, Pauses};
pub use pictures::Fetches;
pub use records::{
    Consumed, Counted, DiskLog, Found, FoundStanding, Handover, Intake, Lately, OutOfKafka,
    Records, Sources, Until,
};
pub use set_aside::{AsidePlace, Unplaced};

/// Before the first attempt to connect again; doubled up to `send.retry_max`.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// For the urgent lane, after both have connected: many times what connecting takes, far below what an
/// employee's pass may wait.
const HEAD_START: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// One destination's work in one lane.
pub struct Delivery<D, R, S> {
    pub lane: Lane,
    pub destination: Arc<D>,
    pub render: R,
    pub backlog: Backlog<S>,
    /// One for all deliveries.
    pub events: Arc<ParsedEvents>,
    /// What the store has settled; `None` for the store itself.
    pub verdicts: Option<Verdicts>,
    pub aside: AsidePlace,
    /// Records that it does not take for now.
    pub unplaced: Unplaced,
    pub contact: Arc<Contact>,
    /// Which person types its destination refuses, for the next run.
    pub noted: Noted,
    /// The longest pause between two attempts to connect.
    pub retry_max: Duration,
    /// Where pictures are that the records' source has lost; `None` for a store.
    pub album: Option<Arc<Album>>,
    /// Pictures on their way.
    pub fetches: Fetches,
    /// A rule of the config ended the last one; said once.
    pub is_expiring: bool,
}

/// What a reload may change of a delivery.
pub struct Terms<D, R> {
    pub destination: Arc<D>,
    pub render: R,
    pub window: Limits,
    pub retry_max: Duration,
}

/// How a session ended, or the attempt to have one.
struct End {
    error: String,
    blame: Blame,
    /// Something was answered in it.
    has_progressed: bool,
}

/// Sessions follow each other until `stop`, and each takes up at the lowest record without an outcome.
pub async fn deliver<D, R, S>(delivery: &mut Delivery<D, R, S>, stop: CancellationToken)
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    delivery.begin();
    let (mut attempts, mut was_well) = (0, false);
    while !stop.is_cancelled() {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = delivery.destination.connect(delivery.lane) => connected,
            never = delivery.backlog.pass_over() => match never {},
        };
        let end = match connected {
            Ok(session) => {
                let end = delivery.session(session, was_well, &stop).await;
                was_well = end.blame == Blame::Record;
                end
            }
            Err(error) => delivery.unreachable(&error),
        };
        if stop.is_cancelled() {
            return;
        }

        attempts = if end.has_progressed { 0 } else { attempts };
        let pause = match end.blame {
            Blame::Record => delivery.died_on_a_record(&end.error),
            Blame::Connection => {
                attempts += 1;
                delivery.contact.down(delivery.lane, end.error, attempts);
                pause(attempts, delivery.retry_max)
            }
        };
        delivery.rest(pause, &stop).await;
    }
}

impl<D, R, S> Delivery<D, R, S>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    /// Delivers by these from the next session on. To be called between two of them.
    pub fn adopt(&mut self, terms: &Terms<D, R>)
    where
        R: Clone,
    {
        self.destination = Arc::clone(&terms.destination);
        self.render = terms.render.clone();
        self.backlog.limit(terms.window);
        self.retry_max = terms.retry_max;
        self.contact.begins_anew(self.lane);
        // They may have been the cause.
        self.forget_pauses();
    }

    async fn session(
        &mut self,
        session: D::Session,
        was_well: bool,
        stop: &CancellationToken,
    ) -> End {
        let destination = Arc::clone(&self.destination);
        self.contact.asks(move || destination.trouble());
        self.contact.connected(self.lane);
        if !was_well {
            self.let_alerts_pass(stop).await;
        }

        self.forget_unplaced();
        self.backlog.open(session.window(), Instant::now());
        let (lost, has_progressed) = self.exchange(session, stop).await;
        let blame = self.backlog.lost(lost.is_explained, Instant::now());
        End {
            error: lost.error,
            blame,
            has_progressed,
        }
    }

    fn unreachable(&mut self, error: &ConnectError) -> End {
        self.backlog.unreachable();
        End {
            error: error.to_string(),
            blame: Blame::Connection,
            has_progressed: false,
        }
    }

    /// The destination is as well as before: what else waits is to flow on.
    fn died_on_a_record(&self, error: &str) -> Duration {
        tracing::debug!(
            destination.name = &*self.contact.destination,
            error,
            "the connection died on one event"
        );
        pause(0, RETRY_FIRST)
    }

    /// Until the next attempt.
    async fn rest(&mut self, pause: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.contact.pause(self.lane, pause) => {}
            never = self.backlog.pass_over() => match never {},
        }
    }

    /// After a reconnect, waits briefly for the urgent lane to drain; a stuck alert delays us by at
    /// most [`HEAD_START`].
    async fn let_alerts_pass(&self, stop: &CancellationToken) {
        let late = Instant::now() + HEAD_START;
        let may_wait =
            || self.lane == Lane::Normal && Instant::now() < late && !stop.is_cancelled();
        while may_wait() && self.backlog.urgent_waits() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Doubled with every attempt, with jitter, so that many gateways do not come back at once.
fn pause(attempts: u32, most: Duration) -> Duration {
    let pause = (RETRY_FIRST * 2_u32.saturating_pow(attempts.min(16))).min(most);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn now() -> Now {
    Now {
        at: Instant::now(),
        clock: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests;
