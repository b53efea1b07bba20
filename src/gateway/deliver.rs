//! The way out: record → message → session → answer → cursor. One loop per destination and lane.
//!
//! Promises: a cursor moves only on an answer, or once a record is durably set aside; a lost session is followed by another that takes up at
//! the lowest record without an answer. Deliberately decides nothing about order and pauses: that is `send::window`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Render;
use crate::config::{self, PictureWait};
use crate::event::{Event, Lane, PersonType, Picture, PictureVerdict, Sequence, Timestamp};
use crate::fault::{self, Fault};
use crate::metrics;
use crate::queue::aside::{Aside, SetAside};
use crate::queue::{Cursor, Outcome, Record, Verdicts};
use crate::route::{PicturesNow, Sending};
use crate::send::link::{Link, PROVEN};
use crate::send::window::{Consequence, Limits, Replayed, Traits, Window};
use crate::send::{Answer, Destination, Reason, Rejection, Session};

/// Before the first attempt to connect again; doubled up to `send.retry_max`.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// For the urgent lane, after both have connected: many times what connecting takes, far below what an employee's pass may wait.
const HEAD_START: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a blocked set-aside store is left alone.
const ASIDE_PAUSE: Duration = Duration::from_secs(1);

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
    pub settings: config::Send,
    /// A rule of the config ended the last one; said once.
    pub is_expiring: bool,
}

/// A record in the window, taken apart once.
struct Work {
    record: Record,
    event: Event,
    /// Where it was sent last, for the set-aside store.
    topic: Option<String>,
}

/// The straight line of the way out: sessions follow each other until `stop`, and each takes up at the lowest record not yet answered.
pub async fn deliver<D, R>(delivery: &mut Delivery<D, R>, stop: CancellationToken)
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    let settings = Limits { records: delivery.settings.window_records, bytes: delivery.settings.window_bytes };
    let mut window = Window::new(settings, R::POISON);
    let mut attempts = 0;
    while !stop.is_cancelled() {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = delivery.destination.connect(delivery.lane) => connected,
        };
        let error = match connected {
            Ok(session) => {
                delivery.link.connected(delivery.lane);
                let session_window = session.window();
                window.open(Limits { records: session_window.records, bytes: session_window.bytes });
                delivery.cursor.rewind();
                delivery.let_alerts_pass(&stop).await;
                let (error, has_progressed) = delivery.session(session, &mut window, &stop).await;
                window.lost();
                if has_progressed {
                    attempts = 0;
                }
                error
            }
            Err(error) => error.to_string(),
        };
        if stop.is_cancelled() {
            return;
        }
        attempts += 1;
        delivery.link.down(delivery.lane, error, attempts);
        tokio::select! {
            () = stop.cancelled() => return,
            () = delivery.link.pause(delivery.lane, pause(attempts, delivery.settings.retry_max)) => {}
        }
    }
}

impl<D, R> Delivery<D, R>
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    /// What waits in the urgent lane goes before this lane's backlog, within reason: one that does not get through holds nothing up.
    async fn let_alerts_pass(&self, stop: &CancellationToken) {
        let late = Instant::now() + HEAD_START;
        while self.lane == Lane::Normal && self.cursor.urgent_waits() && Instant::now() < late && !stop.is_cancelled() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// One session, from its first record to its loss: why it ended, and whether anything was answered in it.
    async fn session(&mut self, mut session: D::Session, window: &mut Window<Work>, stop: &CancellationToken) -> (String, bool) {
        let mut has_progressed = false;
        // Until then it may be one that connects and dies.
        let mut unproven = Some(Instant::now() + PROVEN);
        loop {
            self.submit_ready(&mut session, window).await;
            let moment = window.next_moment().into_iter().chain(unproven).min();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    session.finish().await;
                    return ("stopped".to_owned(), has_progressed);
                }
                answer = session.next() => {
                    if let Answer::Lost { error } = answer {
                        return (error, has_progressed);
                    }
                    has_progressed = true;
                    self.answered(answer, window).await;
                }
                record = self.cursor.next(), if window.has_room() => self.admit(record, window).await,
                () = changed(&mut self.verdicts), if self.verdicts.is_some() => {}
                () = until(moment) => {}
            }
            if unproven.is_some_and(|proven| has_progressed || proven <= Instant::now()) {
                unproven = None;
                self.link.up(self.lane);
            }
            self.settle_waits(window);
        }
    }

    /// Takes a record into the window, or sets it aside where it cannot be read.
    async fn admit(&mut self, record: Record, window: &mut Window<Work>) {
        let event: Event = match serde_json::from_slice(&record.event) {
            Ok(event) => event,
            Err(error) => {
                let rejection =
                    Rejection { reason: Reason::Unreadable, detail: error.to_string(), verdict: PictureVerdict::default() };
                self.set_aside(&record, &rejection, None, 0, Vec::new()).await;
                return;
            }
        };
        if window.is_condemned(record.sequence) {
            self.park(&record, &event).await;
            window.parked();
            return;
        }
        let waits = self.waits(&record, &event);
        let device = event.device.id.clone();
        let traits = Traits {
            sequence: record.sequence,
            device: &device,
            person_type: record.person_type,
            replayed: if record.replay.is_some() { Replayed::Yes } else { Replayed::No },
            // As text and taken apart.
            held_bytes: record.event.len() * 3,
        };
        window.admit(traits, waits, Work { record, event, topic: None });
    }

    /// Until when it waits for its pictures: not at all, until a moment, or as long as it takes.
    fn waits(&self, record: &Record, event: &Event) -> Option<Option<Instant>> {
        let wait = self.render.waits(event)?;
        if self.settled(record).is_some() {
            return None;
        }
        let PictureWait::For(wait) = wait else { return Some(None) };
        // Counted from when it came: a restart or a replay does not start it again.
        let age = u64::try_from(Timestamp::now().since(record.received_at)).unwrap_or(0);
        let left = wait.checked_sub(Duration::from_millis(age)).filter(|left| !left.is_zero())?;
        Some(Some(Instant::now() + left))
    }

    /// What the store has made of its pictures.
    fn settled(&self, record: &Record) -> Option<PictureVerdict> {
        self.verdicts.as_ref()?.of(record.sequence, record.lane, record.person_type)
    }

    fn settle_waits(&mut self, window: &mut Window<Work>) {
        let is_settled = |work: &Work| self.settled(&work.record).is_some();
        let settled: Vec<_> = window.waiting().filter(|sequence| window.payload(*sequence).is_some_and(is_settled)).collect();
        settled.into_iter().for_each(|sequence| window.release(sequence));
        let now = Instant::now();
        window.tick(now);
        for person_type in window.resumable(now) {
            self.cursor.resume(person_type);
        }
        self.link.still_paused(self.lane, window.paused());
    }

    async fn submit_ready(&mut self, session: &mut D::Session, window: &mut Window<Work>) {
        while let Some(sequence) = window.next_ready() {
            let Some(work) = window.payload(sequence) else { return };
            match self.message(work).await {
                Ok(Some(message)) => {
                    window.submitted(sequence, R::size(&message));
                    window.payload_mut(sequence).into_iter().for_each(|work| work.topic = R::topic(&message));
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

    /// What leaves for this record now; `None` where this destination has nothing to do for it.
    async fn message(&self, work: &Work) -> Result<Option<D::Message>, Rejection> {
        let pictures = match self.render.needs_pictures(&work.event) {
            false => Vec::new(),
            true => match work.record.pictures().await {
                Ok(pictures) => pictures,
                Err(error) => self.render.without_pictures(&work.event, error.to_string())?,
            },
        };
        let settled = self.settled(&work.record);
        let sending = Sending {
            sequence: work.record.sequence,
            lane: work.record.lane,
            now: Timestamp::now(),
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
                let work = window.answered(sequence);
                self.cursor.answer(sequence, Outcome::Delivered);
                if std::mem::take(&mut self.is_expiring) {
                    tracing::info!(destination.name = self.link.destination, "there is room again");
                }
                let Some(work) = work else { return };
                self.delivered(&work, heard);
                window.progress(sequence, work.record.person_type);
            }
            Answer::Expired { sequence, rule, verdict } => {
                window.answered(sequence);
                self.cursor.settle(sequence, verdict, Outcome::Expired { rule });
                if !std::mem::replace(&mut self.is_expiring, true) {
                    tracing::error!(destination.name = self.link.destination, rule, "events go on without what the rule ends");
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
            let lag = u64::try_from(Timestamp::now().since(work.record.received_at)).unwrap_or(0);
            metrics::lag(self.link.destination, self.lane, person_type, Duration::from_millis(lag));
        }
    }

    async fn rejected(&mut self, sequence: Sequence, rejection: &Rejection, window: &mut Window<Work>) {
        let attempts = window.attempts(sequence);
        match window.refused(sequence, rejection.reason, Instant::now()) {
            Consequence::Retry => {}
            Consequence::Pause(person_type) => self.pause(person_type, rejection),
            Consequence::SetAside => {
                let Some(work) = window.answered(sequence) else { return };
                let pictures = match self.render.keeps_pictures() {
                    true => work.record.pictures().await.unwrap_or_default(),
                    false => Vec::new(),
                };
                self.set_aside(&work.record, rejection, work.topic, attempts, pictures).await;
            }
        }
    }

    fn pause(&mut self, person_type: PersonType, rejection: &Rejection) {
        self.link.paused(self.lane, person_type, format!("{}: {}", rejection.reason.as_str(), rejection.detail));
        self.cursor.pause(person_type);
    }

    /// What the connection dies on.
    async fn park(&mut self, record: &Record, event: &Event) {
        let detail = "the connection died on it again and again, and not on its successor".to_owned();
        let rejection = Rejection { reason: Reason::Poison, detail, verdict: PictureVerdict::default() };
        let topic = self.message(&Work { record: record.clone(), event: event.clone(), topic: None }).await;
        let topic = topic.ok().flatten().and_then(|message| R::topic(&message));
        self.set_aside(record, &rejection, topic, 4, Vec::new()).await;
    }

    /// Durably set aside, then out of the cursor's way. A store that is full stops this destination: nothing is dropped.
    async fn set_aside(
        &mut self,
        record: &Record,
        rejection: &Rejection,
        topic: Option<String>,
        attempts: u32,
        pictures: Vec<Picture>,
    ) {
        let aside = SetAside {
            destination: self.link.destination,
            lane: self.lane,
            sequence: record.sequence,
            at: Timestamp::now(),
            reason: rejection.reason.as_str(),
            detail: rejection.detail.clone(),
            attempts,
            topic,
            event: record.event.clone(),
            pictures,
        };
        let aside = Arc::new(aside);
        let mut is_said = false;
        loop {
            let (store, entry) = (Arc::clone(&self.aside), Arc::clone(&aside));
            let error = match tokio::task::spawn_blocking(move || store.put(&entry)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => Fault.to_string(),
            };
            is_said = true;
            self.link.down(self.lane, format!("a refused event cannot be set aside, and the destination stops: {error}"), 0);
            tokio::time::sleep(ASIDE_PAUSE).await;
        }
        if is_said {
            self.link.up(self.lane);
        }
        tracing::warn!(
            destination.name = self.link.destination,
            sequence = record.sequence.0,
            reason = rejection.reason.as_str(),
            detail = rejection.detail,
            "event set aside"
        );
        self.cursor.settle(record.sequence, rejection.verdict, Outcome::SetAside);
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
