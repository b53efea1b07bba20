//! Reads a body within its limits: size, time, rate, and the memory that all bodies share.
//!
//! Also finds the end of a body whose declared length is wrong.

use std::pin::{Pin, pin};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use self::document_end::DocumentEnd;
use super::body_memory::BodyMemory;
use boxbridge_event::{Charset, Code, Refusal};

mod document_end;

/// A body as it arrived.
pub struct Received {
    pub bytes: Bytes,
    /// The sender may have declared too small a length, by counting characters instead of bytes.
    pub(super) may_be_short: bool,
}

impl Received {
    pub fn may_be_short(&self) -> bool {
        self.may_be_short
    }

    /// Adds to `refusal` by how much the declared length of `body` may be too small. Looks at the whole body.
    pub fn explain(
        may_be_short: bool,
        body: &Bytes,
        charset: Option<&str>,
        mut refusal: Refusal,
    ) -> Refusal {
        // Only these can come of a document that is cut off.
        let may_be_cut = matches!(refusal.code, Code::JsonInvalid | Code::EncodingInvalid);
        if may_be_short
            && may_be_cut
            && let Some(shortfall) = document_end::shortfall(body, Charset::declared(charset))
        {
            refusal.message = format!("{}; {shortfall}", refusal.message);
        }
        refusal
    }
}

/// The minimum rate counts from here on: a slow start is not an attack.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// How much of an unread body is still read before its connection ends, so that the box can read why it was refused.
const DRAIN_BYTES: usize = 32 << 20;
/// The same of a sender that is not let in: a usual body, and no more of a stranger's.
const STRANGERS_DRAIN_BYTES: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// The first grant of a body: a usual body fills it a few times.
const FIRST_BYTES: usize = 64 * 1024;

/// A body of no more than this gets its whole buffer at once, so that it is copied once. What was not written to takes no memory; above
/// this a larger buffer is had without a copy.
const WHOLE_BYTES: usize = 512 * 1024;

/// Bytes that form a whole document and are followed by this much silence are the body, whatever length was declared.
const SILENCE_MAX: Duration = Duration::from_millis(100);

pub enum Incomplete {
    /// The sender went away.
    Aborted,
    Refused(Refusal),
}

/// What the head of a request says of its body, and whether to believe it.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub declared: Option<u64>,
    /// The most bytes that are read.
    pub limit: usize,
    /// The declared length may be wrong: look for the end of the document as well.
    pub may_be_wrong: bool,
    /// The encoding of a document that is not UTF-8; its end is found by it.
    pub charset: Charset,
}

pub struct Arrived {
    pub bytes: Bytes,
    /// It ended before its declared length.
    pub is_early: bool,
}

/// Reads the whole body. `memory` grows with it and is to be kept as long as the bytes are.
pub async fn read(
    body: &mut Body,
    length: Length,
    settings: &boxbridge_config::Ingest,
    memory: &BodyMemory,
) -> Result<Arrived, Incomplete> {
    let start = Instant::now();
    let mut reading = Reading {
        start,
        last_bytes: start,
        length,
        settings,
        bytes: Vec::new(),
        granted: 0,
        end: DocumentEnd::new(length.charset),
        was_looked_at: false,
    };

    let mut alarm = pin!(sleep_until(start + SILENCE_MAX));
    loop {
        let deadline = reading.deadline();
        let wake = reading.pause().map_or(deadline, |end| deadline.min(end));
        let next = tokio::select! {
            biased;
            refusal = memory.ended() => return Err(Incomplete::Refused(refusal)),
            next = next_frame(body, wake, alarm.as_mut()) => next,
        };

        let has_closed = match next {
            Next::End => return Ok(reading.arrived(false)),
            Next::Frame(frame) => {
                let data = frame.into_data().unwrap_or_default();
                let taken = reading.take(&data, memory).await;
                taken.map_err(Incomplete::Refused)?;
                continue;
            }
            Next::Closed => true,
            Next::Silence => false,
        };

        if reading.is_whole().await {
            return Ok(reading.arrived(true));
        }
        if has_closed {
            return Err(Incomplete::Aborted);
        }
        if wake == deadline {
            return Err(Incomplete::Refused(reading.too_slow()));
        }
    }
}

enum Next {
    Frame(Frame<Bytes>),
    End,
    Closed,
    /// Nothing came until it was time to wake.
    Silence,
}

/// The next part of the body. One alarm does for all of them, moved only when it comes too early: a timer that is made anew for each
/// part wakes another thread each time.
async fn next_frame(body: &mut Body, wake: Instant, mut alarm: Pin<&mut Sleep>) -> Next {
    if wake < alarm.deadline() {
        alarm.as_mut().reset(wake);
    }

    loop {
        tokio::select! {
            biased;
            frame = body.frame() => {
                return match frame {
                    Some(Ok(frame)) => Next::Frame(frame),
                    Some(Err(_)) => Next::Closed,
                    None => Next::End,
                };
            }
            () = alarm.as_mut() => {
                if Instant::now() >= wake {
                    return Next::Silence;
                }
                alarm.as_mut().reset(wake);
            }
        }
    }
}

/// A body that is coming.
struct Reading<'a> {
    start: Instant,
    last_bytes: Instant,
    length: Length,
    settings: &'a boxbridge_config::Ingest,
    bytes: Vec<u8>,
    /// So much of the memory is ours.
    granted: usize,
    end: DocumentEnd,
    /// The document's end was sought in all bytes that are here.
    was_looked_at: bool,
}

impl Reading<'_> {
    async fn take(&mut self, data: &[u8], memory: &BodyMemory) -> Result<(), Refusal> {
        let needed = self.bytes.len() + data.len();
        if needed > self.length.limit {
            return Err(too_large(self.length.limit, self.length.declared));
        }

        if needed > self.granted {
            let granted = self.next_grant(needed);
            memory.grow_to(granted).await?;
            self.granted = granted;
            self.reserve();
        }

        self.bytes.extend_from_slice(data);
        self.last_bytes = Instant::now();
        self.was_looked_at &= data.is_empty();
        Ok(())
    }

    /// Twice as much as before, up to the body's length: a slow sender holds little.
    fn next_grant(&self, needed: usize) -> usize {
        let twice = (2 * self.granted).max(FIRST_BYTES);
        twice.clamp(needed, self.whole().clamp(needed, self.length.limit))
    }

    fn whole(&self) -> usize {
        let declared = self.length.declared.map(usize::try_from);
        declared.and_then(Result::ok).unwrap_or(self.length.limit)
    }

    /// Room for what is granted; for all that is to come, if that is little and there is room at all.
    fn reserve(&mut self) {
        let length = self.bytes.len();
        let whole = self.whole().saturating_sub(length);
        let is_small = self.whole() <= WHOLE_BYTES;
        if !is_small || self.bytes.try_reserve_exact(whole).is_err() {
            self.bytes.reserve_exact(self.granted - length);
        }
    }

    /// When the next bytes must be here: the whole body has `body_timeout`, and must keep up the minimum rate.
    fn deadline(&self) -> Instant {
        let rate = self.settings.body_min_rate.max(1) as f64;
        let at_rate = Duration::from_secs_f64(self.bytes.len() as f64 / rate);
        self.start + self.settings.body_timeout.min(RATE_GRACE.max(at_rate))
    }

    /// Until when the sender may be silent before the document's end is sought.
    fn pause(&self) -> Option<Instant> {
        let may_end = self.length.may_be_wrong && !self.was_looked_at && !self.bytes.is_empty();
        may_end.then(|| self.last_bytes + SILENCE_MAX)
    }

    /// Whether the bytes are one whole document, whatever length was declared.
    async fn is_whole(&mut self) -> bool {
        self.was_looked_at = true;
        self.length.may_be_wrong && self.end.is_whole(&self.bytes).await
    }

    fn arrived(self, is_early: bool) -> Arrived {
        Arrived {
            bytes: self.bytes.into(),
            is_early,
        }
    }

    fn too_slow(&self) -> Refusal {
        let message = format!(
            "the body came too slowly: {} bytes in {:.1} s",
            self.bytes.len(),
            self.start.elapsed().as_secs_f64()
        );
        Refusal::new(Code::BodyTimeout, message)
    }
}

pub fn too_large(limit: usize, declared: Option<u64>) -> Refusal {
    let found = declared.map_or_else(|| "more".to_owned(), |length| length.to_string());
    Refusal::new(
        Code::BodyTooLarge,
        format!("at most {limit} bytes are allowed here, found {found}"),
    )
}

/// Reads and drops the rest of a refused body, within limits, while the answer is on its way. Closing a connection with unread
/// bytes resets it, and the answer would be lost.
pub async fn drain(mut body: Body, code: Code) {
    let mut left = match code.status() {
        401 => STRANGERS_DRAIN_BYTES,
        _ => DRAIN_BYTES,
    };
    let all = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                break;
            };
            left = rest;
        }
    };

    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}
