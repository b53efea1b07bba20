//! The pictures that a message carries: fetched beside the loop, so that nothing else waits for them.
//!
//! Promises: a disk that does not answer holds the record and its device, and nobody else; a few
//! fetches at once, bounded in number and bytes, also over lost sessions. What a source has lost is looked for
//! in the album. Deliberately does not decide
//! when a picture is lost: its source does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::backlog::Admitted;
use super::parsed::ParsedEvent;
use super::{Delivery, Records};
use crate::gateway::Render;
use crate::links::album::Album;
use crate::send::Destination;
use crate::system::fault;
use boxbridge_event::{Event, NoPictures, Picture, Record, Sequence};

/// Places of a disk that hang are few, and each takes a thread and its pictures' memory.
const FETCHES_MAX: usize = 4;
/// Together; one record may have more.
const BYTES_MAX: u64 = 8 << 20;
/// How long a source that does not answer is left alone: from the first to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// What is there of a record's pictures.
pub(super) enum Pictures {
    Unread {
        /// How often their source did not answer.
        attempts: u32,
    },
    /// By the number of the fetch.
    UnderWay {
        fetch: u64,
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

    /// What came of a fetch; true where it is to be repeated.
    fn take(&mut self, pictures: Result<Vec<Picture>, NoPictures>, attempts: u32) -> bool {
        *self = match pictures {
            Ok(pictures) => Pictures::Read(pictures),
            Err(NoPictures::Lost(error)) => Pictures::Lost(error),
            Err(NoPictures::NotNow(_)) => Pictures::Unread {
                attempts: attempts + 1,
            },
        };
        matches!(self, Pictures::Unread { .. })
    }
}

/// A fetch that has ended.
pub(super) struct Fetched {
    sequence: Sequence,
    number: u64,
    bytes: u64,
    pictures: Result<Vec<Picture>, NoPictures>,
}

/// All that are under way, those for lost sessions among them.
#[derive(Default)]
pub struct Fetches {
    running: JoinSet<Fetched>,
    bytes: u64,
    last: u64,
}

impl Fetches {
    pub(super) fn has_room(&self) -> bool {
        self.running.len() < FETCHES_MAX && self.bytes < BYTES_MAX
    }

    /// `album` has what the record's source has lost.
    fn start(
        &mut self,
        record: &Record,
        event: &Arc<ParsedEvent>,
        album: Option<&Arc<Album>>,
    ) -> u64 {
        self.last += 1;
        let (record, event, album) = (record.clone(), Arc::clone(event), album.cloned());
        let number = self.last;
        let bytes = record.pictures_bytes().max(bytes_of(&event));
        self.bytes += bytes;

        self.running.spawn(async move {
            let mut pictures = record.pictures().await;
            if let (Err(NoPictures::Lost(_)), Some(album)) = (&pictures, album) {
                let found = album.of_event(&event, record.sequence_in_log()).await;
                pictures = if found.is_empty() {
                    pictures
                } else {
                    Ok(found)
                };
            }
            Fetched {
                sequence: record.sequence,
                number,
                bytes,
                pictures,
            }
        });
        self.last
    }

    /// The next that ends; pending where none is under way. Cancel-safe.
    pub(super) async fn next(&mut self) -> Fetched {
        let Some(ended) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        if ended.is_err() {
            // Of those that are left nobody knows how many bytes they are: all are forgotten with this session.
            *self = Fetches {
                last: self.last,
                ..Fetches::default()
            };
        }

        let Some(fetched) = fault::joined(ended) else {
            return std::future::pending().await;
        };
        self.bytes = self.bytes.saturating_sub(fetched.bytes);
        fetched
    }
}

impl<D, R, S> Delivery<D, R, S>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    /// Whether a record has what its message carries; else that is on its way.
    pub(super) fn has_pictures(&mut self, sequence: Sequence) -> bool {
        let Some(admitted) = self.backlog.get_mut(sequence) else {
            return true;
        };
        let Admitted {
            record,
            event,
            pictures,
            ..
        } = admitted;
        if !self.render.needs_pictures(event) {
            return true;
        }

        match *pictures {
            Pictures::Read(_) | Pictures::Lost(_) => return true,
            Pictures::UnderWay { .. } => {}
            Pictures::Unread { attempts } => {
                if let Some(read) = record.pictures_at_hand() {
                    *pictures = Pictures::Read(read);
                    return true;
                }
                *pictures = Pictures::UnderWay {
                    fetch: self.fetches.start(record, event, self.album.as_ref()),
                    attempts,
                };
            }
        }
        false
    }

    pub(super) fn take_pictures(&mut self, fetched: Fetched) {
        let Fetched {
            sequence,
            number,
            pictures,
            ..
        } = fetched;
        let Some(admitted) = self.backlog.get_mut(sequence) else {
            return;
        };
        let attempts = match admitted.pictures {
            Pictures::UnderWay { fetch, attempts } if fetch == number => attempts,
            // Begun for a session before this one.
            _ => return,
        };

        if admitted.pictures.take(pictures, attempts) {
            self.backlog
                .hold(sequence, Some(Instant::now() + ask_again_after(attempts)));
        } else {
            self.backlog.release(sequence);
        }
    }
}

fn bytes_of(event: &Event) -> u64 {
    let pictures = event.pictures.iter();
    pictures.map(|(_, picture)| picture.bytes).sum()
}

fn ask_again_after(attempts: u32) -> Duration {
    ASK_AGAIN
        .saturating_mul(1 << attempts.min(10))
        .min(ASK_AGAIN_MAX)
}
