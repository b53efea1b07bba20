//! What a connection is doing: silent, sending a head, or being served. Its reader, its handler and the places share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

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
    /// When the silence began, counted from `opened`.
    idle_since_ms: AtomicU64,
    is_asked_to_leave: AtomicBool,
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
            idle_since_ms: AtomicU64::new(0),
            is_asked_to_leave: AtomicBool::new(false),
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
        self.0.idle_since_ms.store(self.now(), Ordering::Release);
        self.0.was_drained.store(false, Ordering::Release);
        self.enter(Phase::Idle);
    }

    /// Keeps `held` until the answer to this request is with the kernel, or the connection has ended.
    pub fn hold_until_written(&self, held: Box<dyn Send>) {
        *self.0.until_written.lock() = Some(held);
    }

    /// How long the connection has been silent; `None` while a request comes or is served.
    pub fn silent_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.0.idle_since_ms.load(Ordering::Acquire));
        (self.phase() == Phase::Idle).then(|| self.0.opened.elapsed().saturating_sub(since))
    }

    /// Asks the connection to give up its place. It ends at once if its receive buffer is empty.
    pub(super) fn ask_to_leave(&self) {
        self.0.is_asked_to_leave.store(true, Ordering::Release);
        let reader = self.0.reader.lock().take();
        reader.into_iter().for_each(Waker::wake);
    }

    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.0.is_asked_to_leave.load(Ordering::Acquire)
    }

    /// Whether it was asked to leave; takes the question back.
    pub(super) fn takes_the_question(&self, reader: &Waker) -> bool {
        let mut waiting = self.0.reader.lock();
        if waiting
            .as_ref()
            .is_none_or(|waiting| !waiting.will_wake(reader))
        {
            *waiting = Some(reader.clone());
        }
        self.0.is_asked_to_leave.swap(false, Ordering::AcqRel)
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

    fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Release);
    }

    /// Bytes are about to be read; the last of them came `age` ago.
    pub(super) fn found(&self, age: Duration) {
        let age = milliseconds(age);
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
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
