//! Reads a body within its limits: size, time, rate, and the memory that all bodies share.
//!
//! Also finds the end of a body whose declared length is wrong.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::document_end::DocumentEnd;
use super::room::Room;
use crate::charset::Charset;
use boxbridge_event::{Code, Refusal};

/// The minimum rate counts from here on: a slow start is not an attack.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// How much of an unread body is still read before its connection ends, so that the box can read why it was refused.
const DRAIN_BYTES: usize = 32 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// The memory that a body holds at first: a usual body takes a few times as much.
const FIRST_BYTES: usize = 64 * 1024;
/// A usual body is shorter: a few pictures.
const USUAL_BYTES: usize = 512 * 1024;

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

/// Reads the whole body. `room` grows with it and is to be kept as long as the bytes are.
pub async fn read(
    body: &mut Body,
    length: Length,
    settings: &boxbridge_config::Ingest,
    room: &Room,
) -> Result<Arrived, Incomplete> {
    let start = Instant::now();
    let mut buffer = Buffer::new(length);
    let mut end = DocumentEnd::new(length.charset);
    let mut was_looked_at = false;

    loop {
        // If the length may be wrong, each pause is a reason to look for the document's end, once.
        let deadline = deadline(start, buffer.bytes.len(), settings);
        let may_end = length.may_be_wrong && !was_looked_at && !buffer.bytes.is_empty();
        let look = if may_end {
            deadline.min(Instant::now() + SILENCE_MAX)
        } else {
            deadline
        };

        let frame = tokio::select! {
            refusal = room.ended() => return Err(Incomplete::Refused(refusal)),
            frame = tokio::time::timeout_at(look, body.frame()) => frame,
        };
        match frame {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    let taken = buffer.take(&data, room).await;
                    taken.map_err(Incomplete::Refused)?;
                    was_looked_at = false;
                }
            }
            Ok(None) => return Ok(buffer.arrived(false)),
            Ok(Some(Err(_))) => {
                let is_whole = length.may_be_wrong && end.is_whole(&buffer.bytes).await;
                return is_whole
                    .then(|| buffer.arrived(true))
                    .ok_or(Incomplete::Aborted);
            }
            Err(_) => {
                if may_end && end.is_whole(&buffer.bytes).await {
                    return Ok(buffer.arrived(true));
                }
                if look >= deadline {
                    let refusal = too_slow(buffer.bytes.len(), start);
                    return Err(Incomplete::Refused(refusal));
                }
                was_looked_at = true;
            }
        }
    }
}

/// The bytes of a body that have come.
struct Buffer {
    bytes: Vec<u8>,
    length: Length,
    /// How much memory the room holds for them.
    held: usize,
}

impl Buffer {
    fn new(length: Length) -> Buffer {
        Buffer {
            bytes: Vec::new(),
            length,
            held: 0,
        }
    }

    async fn take(&mut self, data: &[u8], room: &Room) -> Result<(), Refusal> {
        let Length {
            limit, declared, ..
        } = self.length;
        let needed = self.bytes.len() + data.len();
        if needed > limit {
            return Err(too_large(limit, declared));
        }

        self.hold(needed, room).await?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// Holds memory for `needed` bytes, and makes room for them. What is held doubles each time, up to the body's length, so that a
    /// slow sender holds little. A usual body is given its whole length at once and is never copied as it grows: pages that nothing
    /// was written to take no memory.
    async fn hold(&mut self, needed: usize, room: &Room) -> Result<(), Refusal> {
        let limit = self.length.limit;
        let declared = self.length.declared.map(usize::try_from);
        let declared = declared.and_then(Result::ok);

        if needed > self.held {
            let whole = declared.unwrap_or(limit).clamp(needed, limit);
            self.held = (2 * self.held).max(FIRST_BYTES).clamp(needed, whole);
            room.grow_to(self.held).await?;
        }
        if needed > self.bytes.capacity() {
            let usual = declared.unwrap_or(0).min(USUAL_BYTES);
            let capacity = self.held.max(usual);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        Ok(())
    }

    fn arrived(self, is_early: bool) -> Arrived {
        Arrived {
            bytes: self.bytes.into(),
            is_early,
        }
    }
}

/// When the next bytes must be here: the whole body has `body_timeout`, and must keep up the minimum rate.
fn deadline(start: Instant, received: usize, settings: &boxbridge_config::Ingest) -> Instant {
    let at_rate = Duration::from_secs_f64(received as f64 / settings.body_min_rate.max(1) as f64);
    start + settings.body_timeout.min(RATE_GRACE.max(at_rate))
}

fn too_slow(received: usize, start: Instant) -> Refusal {
    let message = format!(
        "the body came too slowly: {received} bytes in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    Refusal::new(Code::BodyTimeout, message)
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
pub async fn drain(mut body: Body) {
    let all = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                break;
            };
            left = rest;
        }
    };

    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}
