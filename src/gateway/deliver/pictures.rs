//! The pictures that a message carries: read from the disk beside the loop, so that nothing else waits for them.
//!
//! Promises: a disk that does not answer holds the record and its device, and nobody else; a few reads at once, bounded in number and bytes,
//! also over lost sessions. Deliberately does not decide when a picture is lost: `queue` does.

use std::time::Instant;

use tokio::task::JoinSet;

use super::{Delivery, Work};
use crate::event::{Picture, Sequence};
use crate::gateway::Render;
use crate::queue::{ReadError, Record, ask_again_after};
use crate::send::Destination;
use crate::send::window::Window;

/// Places of a disk that hang are few, and each takes a thread and its pictures' memory.
const READS_MAX: usize = 4;
/// Together; one record may have more.
const BYTES_MAX: u64 = 8 << 20;

/// What is there of a record's pictures.
pub(super) enum Pictures {
    Unread {
        /// How often the disk did not answer.
        attempts: u32,
    },
    /// By the number of the read.
    UnderWay {
        read: u64,
        attempts: u32,
    },
    Read(Vec<Picture>),
    /// They will not come, and why.
    Lost(String),
}

impl Default for Pictures {
    fn default() -> Pictures {
        Pictures::Unread { attempts: 0 }
    }
}

impl Pictures {
    pub(super) fn into_read(self) -> Vec<Picture> {
        match self {
            Pictures::Read(pictures) => pictures,
            _ => Vec::new(),
        }
    }
}

impl Work {
    /// What the set-aside store does not need is not kept; what it may need, the session holds anyway.
    pub(super) fn submitted(&mut self, topic: Option<String>, keeps_pictures: bool) {
        self.topic = topic;
        if !keeps_pictures {
            self.pictures = Pictures::default();
        }
    }
}

/// A read that has ended.
pub(super) struct Read {
    sequence: Sequence,
    number: u64,
    bytes: u64,
    pictures: Result<Vec<Picture>, ReadError>,
}

/// All that are under way, those for lost sessions among them.
#[derive(Default)]
pub struct Reads {
    running: JoinSet<Read>,
    bytes: u64,
    last: u64,
}

impl Reads {
    pub(super) fn has_room(&self) -> bool {
        self.running.len() < READS_MAX && self.bytes < BYTES_MAX
    }

    fn start(&mut self, record: &Record) -> u64 {
        self.last += 1;
        let (record, number, bytes) = (record.clone(), self.last, record.pictures_bytes());
        self.bytes += bytes;
        self.running.spawn(async move { Read { sequence: record.sequence, number, bytes, pictures: record.pictures().await } });
        self.last
    }

    /// The next that ends; pending where none is under way. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Read {
        match self.running.join_next().await {
            Some(Ok(read)) => {
                self.bytes = self.bytes.saturating_sub(read.bytes);
                read
            }
            None => std::future::pending().await,
            Some(Err(error)) => {
                // Of those that are left nobody knows how many bytes they are: all are forgotten with this session.
                *self = Reads { last: self.last, ..Reads::default() };
                match error.try_into_panic() {
                    Ok(fault) => std::panic::resume_unwind(fault),
                    // The runtime goes down.
                    Err(_) => std::future::pending().await,
                }
            }
        }
    }
}

impl<D, R> Delivery<D, R>
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    /// Whether a record has what its message carries; else that is on its way.
    pub(super) fn has_pictures(&mut self, sequence: Sequence, window: &mut Window<Work>) -> bool {
        let Some(work) = window.payload_mut(sequence) else { return true };
        if !self.render.needs_pictures(&work.event) || matches!(work.pictures, Pictures::Read(_) | Pictures::Lost(_)) {
            return true;
        }

        if let Pictures::Unread { attempts } = work.pictures {
            work.pictures = Pictures::UnderWay { read: self.reads.start(&work.record), attempts };
        }
        false
    }

    pub(super) fn take_pictures(&mut self, read: Read, window: &mut Window<Work>) {
        let Read { sequence, number, pictures, .. } = read;
        let Some(work) = window.payload_mut(sequence) else { return };
        let attempts = match work.pictures {
            Pictures::UnderWay { read, attempts } if read == number => attempts,
            // Begun for a session before this one.
            _ => return,
        };

        work.pictures = match pictures {
            Ok(pictures) => Pictures::Read(pictures),
            Err(ReadError::Unanswered(..)) => {
                work.pictures = Pictures::Unread { attempts: attempts + 1 };
                window.hold(sequence, Some(Instant::now() + ask_again_after(attempts)));
                return;
            }
            Err(error) => Pictures::Lost(error.to_string()),
        };
        window.release(sequence);
    }
}
