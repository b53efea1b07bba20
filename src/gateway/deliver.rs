//! The way out: record → message → session → answer → cursor. One loop per destination and lane.
//!
//! Promises: a cursor moves only on an answer, or once a record is durably set aside; a lost session is followed by another that takes up at
//! the lowest record without an answer; while a disk is asked for pictures, answers are taken and a stop is heard. Deliberately decides nothing about order and pauses: that is `send::window`.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod pictures;
mod refusals;

use tokio_util::sync::CancellationToken;

use super::{Ages, Render};
use crate::config::{self, PictureWait};
use crate::event::{Event, Lane, PersonType, PictureVerdict, Timestamp};
use crate::fault;
use crate::metrics;
use crate::queue::aside::Aside;
use crate::queue::{Cursor, Outcome, Record, Verdicts};
use crate::route::{PicturesNow, Sending};
use crate::send::link::{Link, PROVEN};
use crate::send::window::{Awaits, Blame, Limits, Now, Reading, Replayed, Traits, Window};
use crate::send::{Answer, Destination, Reason, Rejection, Session};
use pictures::{Pictures, Reads};

/// Before the first attempt to connect again; doubled up to `send.retry_max`.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// For the urgent lane, after both have connected: many times what connecting takes, far below what an employee's pass may wait.
const HEAD_START: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// One destination's work in one lane.
pub struct Delivery<D, R> {
    pub lane: Lane,
    pub destination: Arc<D>,
    pub render: R,
    pub cursor: Cursor,
    /// What the store has settled; `None` for the store itself.
    pub verdicts: Option<Verdicts>,
    pub aside: Arc<Aside>,
    pub link: Arc<Link>,
    pub ages: Arc<Ages>,
    pub settings: config::Send,
    /// Pictures on their way from the disk.
    pub reads: Reads,
    /// A rule of the config ended the last one; said once.
    pub is_expiring: bool,
}

/// A record in the window, taken apart once.
struct Work {
    record: Record,
    event: Event,
    /// Where it was sent last, for the set-aside store.
    topic: Option<String>,
    pictures: Pictures,
}

impl Work {
    fn new(record: Record, event: Event) -> Work {
        Work { record, event, topic: None, pictures: Pictures::default() }
    }
}

/// The straight line of the way out: sessions follow each other until `stop`, and each takes up at the lowest record not yet answered.
pub async fn deliver<D, R>(delivery: &mut Delivery<D, R>, stop: CancellationToken)
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    let settings = Limits { records: delivery.settings.window_records, bytes: delivery.settings.window_bytes };
    let mut window = Window::new(settings, R::POISON);
    // Begun again after a fault: this window knows of no type that waits.
    PersonType::ALL.iter().for_each(|person_type| delivery.cursor.resume(*person_type));
    let (mut attempts, mut was_well) = (0, false);
    while !stop.is_cancelled() {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = delivery.destination.connect(delivery.lane) => connected,
        };
        let error = match connected {
            Ok(session) => {
                delivery.link.connected(delivery.lane);
                delivery.cursor.rewind();
                if !std::mem::take(&mut was_well) {
                    delivery.let_alerts_pass(&stop).await;
                }
                let session_window = session.window();
                window.open(Limits { records: session_window.records, bytes: session_window.bytes }, Instant::now());
                let (end, has_progressed) = delivery.session(session, &mut window, &stop).await;
                if has_progressed {
                    attempts = 0;
                }
                if window.lost(end.is_explained, Instant::now()) == Blame::Record && !stop.is_cancelled() {
                    // The destination is as well as before: what else waits is to flow on.
                    was_well = true;
                    tracing::debug!(
                        destination.name = &*delivery.link.destination,
                        error = end.error,
                        "the connection died on one event"
                    );
                    delivery.rest(pause(0, RETRY_FIRST), &stop).await;
                    continue;
                }
                end.error
            }
            Err(error) => {
                window.unreachable();
                error.to_string()
            }
        };
        if stop.is_cancelled() {
            return;
        }
        attempts += 1;
        delivery.link.down(delivery.lane, error, attempts);
        delivery.rest(pause(attempts, delivery.settings.retry_max), &stop).await;
    }
}

/// How a session ended.
struct End {
    error: String,
    /// For a reason that is no record's doing.
    is_explained: bool,
}

impl<D, R> Delivery<D, R>
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    /// Until the next attempt.
    async fn rest(&self, pause: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.link.pause(self.lane, pause) => {}
        }
    }

    /// What waits in the urgent lane goes before this lane's backlog, within reason: one that does not get through holds nothing up.
    async fn let_alerts_pass(&self, stop: &CancellationToken) {
        let late = Instant::now() + HEAD_START;
        while self.lane == Lane::Normal && self.cursor.urgent_waits() && Instant::now() < late && !stop.is_cancelled() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// One session, from its first record to its loss: why it ended, and whether anything was answered in it.
    async fn session(&mut self, mut session: D::Session, window: &mut Window<Work>, stop: &CancellationToken) -> (End, bool) {
        let mut has_progressed = false;
        // Until then it may be one that connects and dies.
        let mut unproven = Some(Instant::now() + PROVEN);
        loop {
            let now = Now { at: Instant::now(), clock: Timestamp::now() };
            self.settle_waits(window, now);
            self.submit_ready(&mut session, window).await;
            self.make_room(window, now.at);
            self.tell(window);
            let moment = window.next_moment(now.at).into_iter().chain(unproven).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    session.finish().await;
                    return (End { error: "stopped".to_owned(), is_explained: true }, has_progressed);
                }
                answer = session.next() => {
                    if let Answer::Lost { error } = answer {
                        return (End { error, is_explained: session.is_explained() }, has_progressed);
                    }
                    has_progressed = true;
                    self.answered(answer, window).await;
                }
                read = self.reads.next() => self.take_pictures(read, window),
                record = self.cursor.next(), if window.has_room() => self.admit(record, window).await,
                () = changed(&mut self.verdicts), if self.verdicts.is_some() => {}
                () = until(moment) => {}
            }
            if unproven.is_some_and(|proven| has_progressed || proven <= Instant::now()) {
                unproven = None;
                self.link.up(self.lane);
            }
        }
    }

    /// Takes a record into the window, or sets it aside where it cannot be read.
    async fn admit(&mut self, record: Record, window: &mut Window<Work>) {
        let event: Event = match serde_json::from_slice(&record.event) {
            Ok(event) => event,
            Err(error) => {
                // Not in the parser's words: they quote what it found, which may be a name.
                let detail = format!("{:?} error at byte {}", error.classify(), error.column());
                let rejection = Rejection { reason: Reason::Unreadable, detail, verdict: PictureVerdict::default() };
                self.set_aside(&record, &rejection, None, 0, Vec::new()).await;
                return;
            }
        };
        if window.is_condemned(record.sequence) {
            self.condemn(&record, &event).await;
            window.condemned(record.sequence);
            return;
        }
        let awaits = self.awaits(&record, &event);
        let device = event.device.id.clone();
        let traits = Traits {
            sequence: record.sequence,
            device: &device,
            person_type: record.person_type,
            replayed: if record.replay.is_some() { Replayed::Yes } else { Replayed::No },
            act_before: self.render.act_before(&event, record.replay.as_deref()),
            // As text and taken apart.
            held_bytes: record.event.len() * 3,
        };
        let now = Now { at: Instant::now(), clock: Timestamp::now() };
        window.admit(traits, awaits, Work::new(record, event), now);
    }

    fn awaits(&self, record: &Record, event: &Event) -> Awaits {
        let Some(wait) = self.render.waits(event).filter(|_| self.settled(record).is_none()) else { return Awaits::Nothing };
        let PictureWait::For(wait) = wait else { return Awaits::Pictures };
        // Counted from when it came: a restart or a replay does not start it again.
        let left = wait.checked_sub(self.ages.of(record)).filter(|left| !left.is_zero());
        left.map_or(Awaits::Nothing, |left| Awaits::PicturesUntil(Instant::now() + left))
    }

    /// What the store has made of its pictures.
    fn settled(&self, record: &Record) -> Option<PictureVerdict> {
        self.verdicts.as_ref()?.of(record.sequence, record.lane, record.person_type)
    }

    fn settle_waits(&mut self, window: &mut Window<Work>, now: Now) {
        let is_settled = |work: &Work| self.settled(&work.record).is_some();
        let settled: Vec<_> = window.waiting().filter(|sequence| window.payload(*sequence).is_some_and(is_settled)).collect();
        settled.into_iter().for_each(|sequence| window.release(sequence));
        window.tick(now);
    }

    /// What fills the window and does not flow is read again later.
    fn make_room(&mut self, window: &mut Window<Work>, now: Instant) {
        for reading in window.make_room(now) {
            match reading {
                Reading::Pause(person_type) => self.cursor.pause(person_type),
                Reading::Resume(person_type) => self.cursor.resume(person_type),
                Reading::Again(from) => self.cursor.read_again(from),
            }
        }
        self.cursor.hold_replays(!window.has_room_for_replays());
    }

    async fn submit_ready(&mut self, session: &mut D::Session, window: &mut Window<Work>) {
        while self.reads.has_room() {
            let now = Now { at: Instant::now(), clock: Timestamp::now() };
            let Some(sequence) = window.next_ready(now) else { return };
            if !self.has_pictures(sequence, window) {
                match window.hold(sequence, None) {
                    true => continue,
                    false => return,
                }
            }
            let Some(work) = window.payload(sequence) else { return };
            let act_before = self.render.act_before(&work.event, work.record.replay.as_deref());
            let wait = act_before.map_or(Duration::ZERO, |_| window.expected_wait());
            match self.message(work, now.clock, wait) {
                Ok(Some(message)) => {
                    window.submitted(sequence, R::size(&message), now);
                    let topic = R::topic(&message);
                    if let Some(work) = window.payload_mut(sequence) {
                        work.submitted(topic, self.render.keeps_pictures());
                    }
                    session.submit(sequence, message);
                }
                Ok(None) => {
                    window.answered(sequence);
                    self.cursor.answer(sequence, Outcome::Delivered);
                }
                Err(rejection) => {
                    if let Some(work) = window.answered(sequence) {
                        self.set_aside(&work.record, &rejection, None, 1, Vec::new()).await;
                    }
                }
            }
        }
    }

    /// What leaves for this record now, if it is there after this wait; `None` where this destination has nothing to do for it.
    fn message(&self, work: &Work, now: Timestamp, wait: Duration) -> Result<Option<D::Message>, Rejection> {
        let pictures = match &work.pictures {
            Pictures::Read(pictures) => pictures.clone(),
            Pictures::Lost(error) => self.render.without_pictures(&work.event, error.clone())?,
            Pictures::Unread { .. } | Pictures::UnderWay { .. } => Vec::new(),
        };
        let settled = self.settled(&work.record);
        let sending = Sending {
            sequence: work.record.sequence,
            lane: work.record.lane,
            now: now.plus(wait),
            age: self.ages.of(&work.record).saturating_add(wait),
            replay: work.record.replay.as_deref(),
            pictures: settled.map_or(PicturesNow::Pending, PicturesNow::Settled),
            inline: &[],
        };
        fault::in_one_go(|| self.render.message(&work.event, &sending, pictures)).or_else(|fault| {
            if self.render.keeps_pictures() {
                self.render.without_pictures(&work.event, fault.to_string())?;
            }
            Err(Rejection { reason: Reason::Unreadable, detail: fault.to_string(), verdict: PictureVerdict::default() })
        })
    }

    async fn answered(&mut self, answer: Answer, window: &mut Window<Work>) {
        match answer {
            Answer::Acknowledged { sequence, heard } => {
                let work = window.taken(sequence, Instant::now());
                self.cursor.answer(sequence, Outcome::Delivered);
                if std::mem::take(&mut self.is_expiring) {
                    tracing::info!(destination.name = &*self.link.destination, "there is room again");
                }
                let Some(work) = work else { return };
                self.delivered(&work, heard);
            }
            Answer::Expired { sequence, rule, verdict } => {
                window.answered(sequence);
                self.cursor.settle(sequence, verdict, Outcome::Expired { rule });
                if !std::mem::replace(&mut self.is_expiring, true) {
                    tracing::error!(destination.name = &*self.link.destination, rule, "events go on without what the rule ends");
                }
            }
            Answer::Rejected { sequence, rejection } => self.rejected(sequence, &rejection, window).await,
            Answer::Lost { .. } => {}
        }
    }

    fn delivered(&self, work: &Work, heard: bool) {
        let person_type = work.record.person_type;
        if !heard {
            metrics::no_subscriber(self.lane, person_type);
        }
        if work.record.replay.is_none() {
            metrics::lag(&self.link.destination, self.lane, person_type, self.ages.of(&work.record));
        }
    }
}

/// Doubled with every attempt, with jitter, so that many gateways do not come back at once.
fn pause(attempts: u32, most: Duration) -> Duration {
    let pause = (RETRY_FIRST * 2_u32.saturating_pow(attempts.min(16))).min(most);
    let jitter = f64::from(Timestamp::now().0.unsigned_abs() as u32 % 1_000) / 1_000.0;
    pause.mul_f64(0.5 + jitter / 2.0)
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

#[cfg(test)]
mod tests;
