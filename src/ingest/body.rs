//! Reads a body within its limits: size, time, rate, and the memory that bodies may take; and to its end, also where its head is wrong
//! about that.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::room::Room;
use super::whole::Whole;
use crate::charset::Charset;
use crate::config;
use crate::event::{Code, Refusal};

/// Before the minimum rate counts: a slow start is not an attack.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// What an unread body may still send before its connection ends, so that the box can read why it was refused.
const DRAIN_BYTES: usize = 32 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// What the first byte of a body takes: a usual one fills it a few times.
const FIRST_BYTES: usize = 64 * 1024;

/// Bytes that make a document and are followed by nothing for so long are the body, whatever its head said.
const SILENCE_MAX: Duration = Duration::from_millis(100);

pub enum Incomplete {
    /// The sender went away.
    Aborted,
    Refused(Refusal),
}

/// What the head of a request says of its body, and what is thought of that.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub declared: Option<u64>,
    /// The most that is read.
    pub limit: usize,
    /// Whether to look where the body ends, in case the declared length is wrong.
    pub may_be_wrong: bool,
    /// In which to look for its end, where it is not UTF-8.
    pub charset: Charset,
}

pub struct Arrived {
    pub bytes: Bytes,
    /// It ended before its declared length.
    pub is_early: bool,
}

/// The whole body; `room` has room for it, and the memory is in use until that is dropped.
pub async fn read(body: &mut Body, length: Length, settings: &config::Ingest, room: &Room) -> Result<Arrived, Incomplete> {
    let start = Instant::now();
    let (mut bytes, mut whole, mut was_looked_at) = (Vec::new(), Whole::new(length.charset), false);
    loop {
        let deadline = deadline(start, bytes.len(), settings);
        let may_end = length.may_be_wrong && !was_looked_at && !bytes.is_empty();
        let look = if may_end { deadline.min(Instant::now() + SILENCE_MAX) } else { deadline };
        let frame = tokio::select! {
            refusal = room.ended() => return Err(Incomplete::Refused(refusal)),
            frame = tokio::time::timeout_at(look, body.frame()) => frame,
        };
        let frame = match frame {
            Err(_) if may_end && whole.is_whole(&bytes) => return Ok(Arrived { bytes: bytes.into(), is_early: true }),
            Err(_) if look < deadline => {
                was_looked_at = true;
                continue;
            }
            Err(_) => return Err(Incomplete::Refused(too_slow(bytes.len(), start))),
            Ok(None) => return Ok(Arrived { bytes: bytes.into(), is_early: false }),
            Ok(Some(Err(_))) if length.may_be_wrong && whole.is_whole(&bytes) => {
                return Ok(Arrived { bytes: bytes.into(), is_early: true });
            }
            Ok(Some(Err(_))) => return Err(Incomplete::Aborted),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > length.limit {
            return Err(Incomplete::Refused(too_large(length.limit, length.declared)));
        }
        make_room(&mut bytes, data.len(), length, room).await.map_err(Incomplete::Refused)?;
        bytes.extend_from_slice(&data);
        was_looked_at = false;
    }
}

/// For `more` bytes behind those that have come. It is the buffer that is held, twice as large each time, at most as large as the body.
async fn make_room(bytes: &mut Vec<u8>, more: usize, length: Length, room: &Room) -> Result<(), Refusal> {
    let needed = bytes.len() + more;
    if needed <= bytes.capacity() {
        return Ok(());
    }

    let declared = length.declared.and_then(|length| usize::try_from(length).ok());
    let whole = declared.unwrap_or(length.limit).clamp(needed, length.limit);
    let capacity = (2 * bytes.capacity()).max(FIRST_BYTES).clamp(needed, whole);
    room.grow_to(capacity).await?;
    bytes.reserve_exact(capacity - bytes.len());
    Ok(())
}

/// The moment by which more must have come: the whole body in its time, and each byte at the least rate.
fn deadline(start: Instant, received: usize, settings: &config::Ingest) -> Instant {
    let at_rate = Duration::from_secs_f64(received as f64 / settings.body_min_rate.max(1) as f64);
    start + settings.body_timeout.min(RATE_GRACE.max(at_rate))
}

fn too_slow(received: usize, start: Instant) -> Refusal {
    let message = format!("the body came too slowly: {received} bytes in {:.1} s", start.elapsed().as_secs_f64());
    Refusal::new(Code::BodyTimeout, message)
}

pub fn too_large(limit: usize, declared: Option<u64>) -> Refusal {
    let found = declared.map_or_else(|| "more".to_owned(), |length| length.to_string());
    Refusal::new(Code::BodyTooLarge, format!("at most {limit} bytes are allowed here, found {found}"))
}

/// Goes on reading what nobody wants, bounded, while the answer is on its way: a connection that is closed over unread bytes is
/// reset, and the answer with it.
pub async fn drain(mut body: Body) {
    let all = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}
