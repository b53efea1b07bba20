//! What a connection is doing: silent, sending a head, or being served. Its reader, its handler and the places share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Nobody asks a connection to leave.
const NOT_ASKED: u64 = u64::MAX;

/// Shared by one connection's reader, its handler and [`super::Places`].
#[derive(Clone)]
pub struct Activity(Arc<Shared>);

struct Shared {
    /// A [`Phase`].
    phase: AtomicU8,
    waited_ms: AtomicU64,
    opened: Instant,
    /// When the bytes of the last read came, counted from `opened`.
    came_ms: AtomicU64,
    /// The receive buffer was empty at some moment since the last request: bytes read from then on came after that request.
    was_drained: AtomicBool,
    /// When the silence, or the head, began, counted from `opened`.
    waits_since_ms: AtomicU64,
    /// It is asked to leave if it has waited for so long.
    asked_ms: AtomicU64,
    /// The task that waits for the next request.
    reader: Mutex<Option<Waker>>,
    /// Dropped once the answer is written: the memory that the answer takes.
    until_written: Mutex<Option<Box<dyn Send>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Between requests.
    Idle,
    /// The first bytes of a request have come.
    Head,
    Served,
}

/// A request is being served while this lives.
pub struct InService(Activity);

impl Default for Activity {
    fn default() -> Activity {
        Activity(Arc::new(Shared {
            phase: AtomicU8::new(Phase::Idle as u8),
            waited_ms: AtomicU64::new(0),
            opened: Instant::now(),
            came_ms: AtomicU64::new(0),
            was_drained: AtomicBool::new(true),
            waits_since_ms: AtomicU64::new(0),
            asked_ms: AtomicU64::new(NOT_ASKED),
            reader: Mutex::default(),
            until_written: Mutex::default(),
        }))
    }
}

impl Activity {
    pub fn begin(&self) -> InService {
        // Nothing was read since the last request: this one came together with it and waited in our own buffer.
        if self.phase() == Phase::Idle {
            self.0
                .waited_ms
                .store(self.since_the_last_read(), Ordering::Release);
        }
        self.enter(Phase::Served);
        InService(self.clone())
    }

    /// Whether a request's head has come only in part.
    pub fn is_in_head(&self) -> bool {
        self.phase() == Phase::Head
    }

    /// The longest time that a part of this request lay unread, also behind the request before it.
    pub fn waited(&self) -> Duration {
        Duration::from_millis(self.0.waited_ms.load(Ordering::Acquire))
    }

    /// What came is dealt with: the connection is silent until more comes.
    pub(super) fn begins_anew(&self) {
        self.0.was_drained.store(false, Ordering::Release);
        self.wait_in(Phase::Idle);
    }

    /// Keeps `held` until the answer to this request is with the kernel, or the connection has ended.
    pub fn hold_until_written(&self, held: Box<dyn Send>) {
        *self.0.until_written.lock() = Some(held);
    }

    /// How long the connection has been silent, or its head has not come whole; `None` while a request is served.
    pub(super) fn waits_for(&self) -> Option<Duration> {
        let since = self.0.waits_since_ms.load(Ordering::Acquire);
        let waits = self.now().saturating_sub(since);
        (self.phase() != Phase::Served).then(|| Duration::from_millis(waits))
    }

    /// Asks the connection to give up its place if it has waited for so long. It ends at once if its receive buffer is empty.
    pub(super) fn ask_to_leave(&self, waited: Duration) {
        let asked = milliseconds(waited);
        self.0.asked_ms.store(asked, Ordering::Release);
        let reader = self.0.reader.lock().take();
        reader.into_iter().for_each(Waker::wake);
    }

    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.0.asked_ms.load(Ordering::Acquire) != NOT_ASKED
    }

    /// Whether it was asked to leave, and has not done anything since; takes the question back.
    pub(super) fn is_to_leave(&self, reader: &Waker) -> bool {
        let mut waiting = self.0.reader.lock();
        if waiting
            .as_ref()
            .is_none_or(|waiting| !waiting.will_wake(reader))
        {
            *waiting = Some(reader.clone());
        }
        drop(waiting);

        let asked = self.0.asked_ms.swap(NOT_ASKED, Ordering::AcqRel);
        let is_long_enough = |waits: Duration| milliseconds(waits) >= asked;
        asked != NOT_ASKED && self.waits_for().is_some_and(is_long_enough)
    }

    /// The kernel has all bytes of the answer.
    pub(super) fn written(&self) {
        if self.phase() == Phase::Idle {
            let _given_back = self.0.until_written.lock().take();
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Served,
        }
    }

    fn wait_in(&self, phase: Phase) {
        self.0.waits_since_ms.store(self.now(), Ordering::Release);
        self.enter(phase);
    }

    fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Release);
    }

    /// Bytes are about to be read; the last of them came `age` ago.
    pub(super) fn found(&self, age: Duration) {
        let age = milliseconds(age);
        if self.phase() == Phase::Idle {
            self.wait_in(Phase::Head);
            // The first bytes may be older than the last. If they were there when the request before ended, they are as old as the last read.
            let is_next = self.0.was_drained.load(Ordering::Acquire);
            let waited = if is_next {
                age
            } else {
                age.max(self.since_the_last_read())
            };
            self.0.waited_ms.store(waited, Ordering::Release);
        } else {
            self.0.waited_ms.fetch_max(age, Ordering::AcqRel);
        }

        self.0
            .came_ms
            .store(self.now().saturating_sub(age), Ordering::Release);
    }

    /// The receive buffer is empty.
    pub(super) fn drained(&self) {
        self.0.was_drained.store(true, Ordering::Release);
    }

    fn since_the_last_read(&self) -> u64 {
        self.now()
            .saturating_sub(self.0.came_ms.load(Ordering::Acquire))
    }

    fn now(&self) -> u64 {
        milliseconds(self.0.opened.elapsed())
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for InService {
    fn drop(&mut self) {
        self.0.begins_anew();
    }
}
