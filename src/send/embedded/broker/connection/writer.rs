//! The writing half of a connection, and the answers that are to be written on it.
//!
//! Promises: a client that takes nothing for [`WRITTEN_WITHIN`] is an error. If a client does not take its answers, none of its further requests are
//! read: so its answers are bounded in count and bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter, WriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::super::packet::Version;
use super::super::packet::reply::Reply;

/// For a piece of a message to go out.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
const PIECE: usize = 64 << 10;
/// Answers that a client has not taken, and their bytes: no more of its requests are read until it has.
const REPLIES_MAX: usize = 64;
const REPLY_BYTES_MAX: usize = 16 << 10;
const BUFFER: usize = 4 << 10;

/// The answers that are to be written to one connection.
pub(super) struct Outbox {
    version: Version,
    replies: Mutex<Replies>,
    /// There is something to write, an answer or a message.
    pub wake: Arc<Notify>,
    taken: Notify,
}

#[derive(Default)]
struct Replies {
    packets: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub fn new(version: Version) -> Outbox {
        Outbox {
            version,
            replies: Mutex::default(),
            wake: Arc::default(),
            taken: Notify::new(),
        }
    }

    /// The connection's.
    pub fn version(&self) -> Version {
        self.version
    }

    pub fn put(&self, reply: &Reply) {
        let packet = reply.encode(self.version);
        let mut replies = self.lock();
        replies.bytes += packet.len();
        replies.packets.push_back(packet);
        drop(replies);
        self.wake.notify_one();
    }

    pub fn take(&self) -> Option<Bytes> {
        let mut replies = self.lock();
        let packet = replies.packets.pop_front();
        replies.bytes -= packet.as_ref().map_or(0, Bytes::len);
        drop(replies);
        self.taken.notify_one();
        packet
    }

    /// Returns once another request may be read.
    pub async fn has_room(&self) {
        while !self.lock().has_room() {
            self.taken.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock()
    }
}

impl Replies {
    fn has_room(&self) -> bool {
        self.packets.len() < REPLIES_MAX && self.bytes < REPLY_BYTES_MAX
    }
}

pub(super) struct Writer<Io> {
    io: BufWriter<WriteHalf<Io>>,
    is_mid_packet: bool,
}

impl<Io: AsyncWrite> Writer<Io> {
    pub fn new(write: WriteHalf<Io>) -> Writer<Io> {
        Writer {
            io: BufWriter::with_capacity(BUFFER, write),
            is_mid_packet: false,
        }
    }

    /// A packet was begun and not ended: nothing can follow.
    pub fn is_mid_packet(&self) -> bool {
        self.is_mid_packet
    }

    /// A whole packet, on its way.
    pub async fn write(&mut self, packet: &[u8]) -> std::io::Result<()> {
        self.put(packet).await?;
        self.flush().await
    }

    pub async fn put(&mut self, packet: &[u8]) -> std::io::Result<()> {
        self.put_all(packet, &[]).await
    }

    pub async fn put_all(&mut self, head: &[u8], payload: &[u8]) -> std::io::Result<()> {
        self.is_mid_packet = true;
        for piece in std::iter::once(head).chain(payload.chunks(PIECE)) {
            timeout(WRITTEN_WITHIN, self.io.write_all(piece))
                .await
                .map_err(std::io::Error::from)??;
        }
        self.is_mid_packet = false;
        Ok(())
    }

    pub async fn flush(&mut self) -> std::io::Result<()> {
        timeout(WRITTEN_WITHIN, self.io.flush())
            .await
            .map_err(std::io::Error::from)?
    }

    pub async fn close(&mut self) {
        // It is over either way.
        drop(self.io.shutdown().await);
    }
}
