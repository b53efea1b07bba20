//! Reads a body within its limits: size, time, rate, and the bytes that may be in flight.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::budget::Held;
use crate::config;
use crate::event::{Code, Refusal};

/// Before the minimum rate counts: a slow start is not an attack.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// What an unread body may still send before its connection ends, so that the box can read why it was refused.
const DRAIN_BYTES: usize = 32 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

pub enum Incomplete {
    /// The sender went away.
    Aborted,
    Refused(Refusal),
}

/// The whole body; `held` has room for it, and the memory is in use until `held` is dropped.
pub async fn read(
    body: &mut Body,
    declared: Option<u64>,
    limit: usize,
    settings: &config::Ingest,
    held: &mut Held,
) -> Result<Bytes, Incomplete> {
    let start = Instant::now();
    let mut bytes = BytesMut::with_capacity(declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(limit));
    loop {
        let frame = match tokio::time::timeout_at(deadline(start, bytes.len(), settings), body.frame()).await {
            Err(_) => return Err(Incomplete::Refused(too_slow(bytes.len(), start))),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Incomplete::Aborted),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Incomplete::Refused(too_large(limit, declared)));
        }
        held.grow_to(bytes.len() + data.len()).await.map_err(Incomplete::Refused)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
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
