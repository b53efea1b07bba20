//! What one destination has still to get in one lane: the records at their source, and those of them
//! that are in the window.
//!
//! Promises: a record leaves the window if and only if its source learns what became of it; between
//! the two stands an [`Ending`], which nobody else can make. Nobody else changes either. Deliberately
//! sends nothing and says nothing.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Records;
use super::parsed::ParsedEvent;
use super::pictures::Pictures;
use crate::send::Reason;
use crate::send::window::{
    Awaits, Blame, Consequence, Extent, Limits, News, Now, Poison, Reading, Timeliness, TopicClass,
    Traits, Window,
};
use boxbridge_event::{Outcome, PersonType, Picture, PictureVerdict, Record, Sequence};

/// Attempts that a condemned record had at least.
const CONDEMNED_ATTEMPTS: u32 = 3;

pub struct Backlog<S> {
    source: S,
    window: Window<Admitted>,
    settings: Limits,
    poison: Poison,
}

/// A record in the window.
pub(super) struct Admitted {
    pub record: Record,
    pub event: Arc<ParsedEvent>,
    /// Where it was sent last, for the set-aside store.
    pub topic: Option<String>,
    pub pictures: Pictures,
}

impl Admitted {
    pub fn new(record: Record, event: Arc<ParsedEvent>) -> Admitted {
        Admitted {
            record,
            event,
            topic: None,
            pictures: Pictures::default(),
        }
    }
}

/// A record that is to be set aside. It is out of the window, and has no outcome before
/// [`Backlog::set_aside`] gets this back: if we die in between, the record comes again.
#[must_use = "the record has no outcome yet"]
pub(super) struct Ending {
    pub class: TopicClass,
    pub record: Record,
    pub topic: Option<String>,
    pub attempts: u32,
    /// Where these are what was not taken.
    pub pictures: Vec<Picture>,
}

impl Ending {
    fn new(record: Record, class: TopicClass) -> Ending {
        Ending {
            class,
            record,
            topic: None,
            attempts: 0,
            pictures: Vec::new(),
        }
    }

    /// Of a record that was never in the window: nobody asked when one may act on it.
    fn of_read(record: Record) -> Ending {
        let class = TopicClass::new(record.person_type, Timeliness::Late);
        Ending::new(record, class)
    }
}

/// What a refusal comes to.
pub(super) enum Refused {
    /// The record is tried again later; what waits with it, if that is news.
    Waits(Option<Extent>),
    Ends(Ending),
}

pub fn window_of(settings: &boxbridge_config::Send) -> Limits {
    Limits {
        records: settings.window_records,
        bytes: settings.window_bytes,
    }
}

impl<S: Records> Backlog<S> {
    pub fn new(source: S, settings: &boxbridge_config::Send, poison: Poison) -> Backlog<S> {
        let settings = window_of(settings);
        Backlog {
            source,
            window: Window::new(settings, poison),
            settings,
            poison,
        }
    }

    /// So much may be in the window once delivery begins anew.
    pub(super) fn limit(&mut self, window: Limits) {
        self.settings = window;
    }

    /// Forgets what sessions have shown: delivery begins, for the first time or after a fault.
    pub(super) fn begin(&mut self) {
        self.window = Window::new(self.settings, self.poison);
    }

    /// A class that was refused when the last run ended.
    pub(super) fn begin_refused(&mut self, class: TopicClass, now: Instant) {
        self.window.begin_refused(class, now);
    }

    /// A new session: everything without an outcome comes again.
    pub(super) fn open(&mut self, session: Limits, now: Instant) {
        self.source.rewind();
        self.window
            .forget_gone(|sequence| self.source.has(sequence));
        self.window.open(session, now);
    }

    pub(super) fn lost(&mut self, is_explained: bool, now: Instant) -> Blame {
        self.window.lost(is_explained, now)
    }

    /// There is no session: the destination is not there.
    pub(super) fn unreachable(&mut self) {
        self.window.unreachable();
    }

    /// Goes on while there is no session.
    pub(super) fn pass_over(&mut self) -> impl Future<Output = Infallible> + Send {
        self.source.pass_over()
    }

    pub(super) fn urgent_waits(&self) -> bool {
        self.source.urgent_waits()
    }

    pub(super) fn age(&self, record: &Record) -> Duration {
        self.source.age(record)
    }

    /// To look at. What changes it goes through here.
    pub(super) fn window(&self) -> &Window<Admitted> {
        &self.window
    }

    pub(super) fn get_mut(&mut self, sequence: Sequence) -> Option<&mut Admitted> {
        self.window.payload_mut(sequence)
    }

    /// The next record, to be admitted or ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Record {
        self.source.next().await
    }

    pub(super) fn admit(
        &mut self,
        traits: Traits<'_>,
        awaits: Awaits,
        admitted: Admitted,
        now: Now,
    ) {
        self.window.admit(traits, awaits, admitted, now);
    }

    /// Ends the waits that are over: for pictures that are settled, and for time.
    pub(super) fn end_waits(&mut self, is_settled: impl Fn(&Record) -> bool, now: Now) {
        let is_settled = |sequence: &Sequence| {
            self.window
                .payload(*sequence)
                .is_some_and(|admitted| is_settled(&admitted.record))
        };
        let settled: Vec<_> = self.window.waiting().filter(is_settled).collect();

        settled
            .into_iter()
            .for_each(|sequence| self.window.release(sequence));
        self.window.tick(now);
    }

    /// An operator has removed the cause for which records of these types wait.
    pub(super) fn resume(&mut self, person_types: BTreeSet<PersonType>) {
        for person_type in person_types {
            self.window.resume(person_type);
        }
    }

    /// Leaves unread what fills the window and does not flow, and reads it again once it may flow.
    pub(super) fn make_room(&mut self, now: Instant) {
        let is_paused = |person_type| self.source.is_paused(person_type);
        for reading in self.window.make_room(now, is_paused) {
            match reading {
                Reading::Pause(person_type) => self.source.pause(person_type),
                Reading::Resume(person_type) => self.source.resume(person_type),
                Reading::Again(from) => self.source.read_again(from),
            }
        }
        self.source
            .hold_replays(!self.window.has_room_for_replays());
    }

    pub(super) fn next_ready(&mut self, now: Now) -> Option<Sequence> {
        self.window.next_ready(now)
    }

    /// It waits in front of its device, until then or until it is released; false where it keeps its
    /// place and everything else waits with it.
    pub(super) fn hold(&mut self, sequence: Sequence, until: Option<Instant>) -> bool {
        self.window.hold(sequence, until)
    }

    pub(super) fn release(&mut self, sequence: Sequence) {
        self.window.release(sequence);
    }

    /// It is in the session now.
    pub(super) fn submitted(&mut self, sequence: Sequence, bytes: usize, now: Now) {
        self.window.submitted(sequence, bytes, now);
    }

    /// What the window found out, to be said once.
    pub(super) fn news(&mut self) -> Option<News> {
        self.window.news()
    }
}

/// How a record ends.
impl<S: Records> Backlog<S> {
    /// The destination took it.
    pub(super) fn delivered(&mut self, sequence: Sequence, now: Instant) -> Option<Admitted> {
        self.source
            .settle(sequence, PictureVerdict::default(), Outcome::Delivered);
        self.window.taken(sequence, now)
    }

    /// The destination does not get it: its route says so.
    pub(super) fn nothing_to_send(&mut self, sequence: Sequence, now: Now) {
        self.source
            .settle(sequence, PictureVerdict::default(), Outcome::Delivered);
        self.window.skipped(sequence, now);
    }

    /// Whether a record is still to be sent.
    pub(super) fn is_wanted(&self, record: &Record) -> bool {
        self.source.is_wanted(record)
    }

    /// It is not to be sent any more, and its source knows.
    pub(super) fn withdraw(&mut self, sequence: Sequence) {
        self.window.answered(sequence, Instant::now());
    }

    /// A rule of the config ended it.
    pub(super) fn expired(
        &mut self,
        sequence: Sequence,
        verdict: PictureVerdict,
        rule: &'static str,
    ) {
        self.source
            .settle(sequence, verdict, Outcome::Expired { rule });
        self.window.answered(sequence, Instant::now());
    }

    /// The destination refused it: it waits for another try, or ends.
    pub(super) fn refused(&mut self, sequence: Sequence, reason: Reason, now: Instant) -> Refused {
        let (attempts, class) = self.window.attempts(sequence);
        if let Consequence::Wait(extent) = self.window.refused(sequence, reason, now) {
            // It may wait for long, and they can be read again.
            if let Some(admitted) = self.window.payload_mut(sequence) {
                admitted.pictures = Pictures::default();
            }
            return Refused::Waits(extent);
        }

        let answered = self.window.answered(sequence, now);
        let Some((admitted, class)) = answered.zip(class) else {
            return Refused::Waits(None);
        };
        Refused::Ends(Ending {
            topic: admitted.topic,
            attempts,
            pictures: admitted.pictures.into_read(),
            ..Ending::new(admitted.record, class)
        })
    }

    /// It was refused for a reason that passes, and is out of the window: whether its source brings it again later.
    pub(super) fn try_later(&mut self, sequence: Sequence) -> bool {
        self.source.try_later(sequence)
    }

    /// There is no message that could be made of it.
    pub(super) fn unsendable(&mut self, sequence: Sequence, now: Now) -> Option<Ending> {
        let class = self.window.class_of(sequence, now)?;
        let admitted = self.window.answered(sequence, now.at)?;
        Some(Ending {
            attempts: 1,
            ..Ending::new(admitted.record, class)
        })
    }

    /// It was read, and holds no event.
    pub(super) fn unreadable(&mut self, record: Record) -> Ending {
        Ending::of_read(record)
    }

    /// It was read, and repeatedly kills the connection; `topic` is where it went.
    pub(super) fn condemned(&mut self, record: Record, topic: Option<String>) -> Ending {
        Ending {
            topic,
            attempts: CONDEMNED_ATTEMPTS,
            ..Ending::of_read(record)
        }
    }

    /// Whether nothing of a class is sent, since its refused records cannot be set aside.
    pub(super) fn block(&mut self, class: TopicClass, is_blocked: bool) {
        self.window.block(class, is_blocked);
    }

    /// It is durably set aside.
    pub(super) fn set_aside(&mut self, ending: Ending, verdict: PictureVerdict) {
        let sequence = ending.record.sequence;
        self.source.settle(sequence, verdict, Outcome::SetAside);
        self.window.condemned(sequence);
    }
}
