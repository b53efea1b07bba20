//! A body taken apart: when it is its source's turn, and when there is room for what that costs.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::accept::Gateway;
use super::turns::Turns;
use crate::config::Config;
use crate::event::{Code, Event, Refusal, Source, document};
use crate::ingest::Room;
use crate::normalize::{Batch, Context, Cost, Limits, Normalized, normalize, normalize_element};

/// A sender sees what was understood of its event; more than this is nobody's to read, and would be in memory until it was.
const ECHO_MAX: usize = 64 * 1024;

/// What is needed to take bodies of one request apart.
pub(super) struct Work {
    turns: Arc<Turns>,
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    source: Source,
    room: Room,
}

/// What a text is.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// A body.
    Whole,
    /// One of an array's, all of which take so many bytes.
    Element { beside: usize },
}

/// A text taken apart.
pub(super) enum Taken {
    /// And the event as the vendor's document prints it, where it is not too large.
    One(Box<Normalized>, Map<String, Value>),
    /// The texts of an array's elements.
    Many(Vec<Bytes>),
    /// It is no event, and why.
    None(Refusal, Bytes),
}

/// What a turn came to.
enum Turn {
    Done(Taken),
    /// The work will take so much, and there is no room yet.
    Needs(usize, Bytes),
}

impl Work {
    pub fn new(gateway: &Gateway, source: &Source, room: &Room) -> Work {
        let shared = Shared { config: Arc::clone(&gateway.config), source: source.clone(), room: room.clone() };
        Work { turns: Arc::clone(&gateway.turns), shared: Arc::new(shared) }
    }

    pub async fn take_apart(&self, part: Part, text: Bytes) -> Result<Taken, Refusal> {
        match self.turn(part, text).await? {
            Turn::Done(taken) => Ok(taken),
            Turn::Needs(bytes, text) => {
                self.shared.room.work(bytes).await?;
                match self.turn(part, text).await? {
                    Turn::Done(taken) => Ok(taken),
                    Turn::Needs(..) => Err(failed()),
                }
            }
        }
    }

    async fn turn(&self, part: Part, text: Bytes) -> Result<Turn, Refusal> {
        let shared = Arc::clone(&self.shared);
        self.turns.run(&self.shared.source.peer, move || shared.turn(part, text)).await.ok_or_else(failed)
    }
}

impl Shared {
    fn turn(&self, part: Part, text: Bytes) -> Turn {
        let needs = match part {
            // An array is paid for element by element.
            Part::Whole if is_array(&text) => text.len(),
            Part::Whole => Cost::of(&text).bytes(),
            Part::Element { beside } => beside + Cost::of(&text).bytes(),
        };
        if self.room.try_work(needs).is_err() {
            return Turn::Needs(needs, text);
        }
        let context = Context {
            source: &self.source,
            site: &self.config.site,
            gateway: &self.config.gateway,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
        };
        let taken = match part {
            Part::Whole => normalize(&text, &context),
            Part::Element { .. } => normalize_element(&text, &context).map(Batch::One),
        };
        Turn::Done(match taken {
            Ok(Batch::One(normalized)) => {
                let echo = if matches!(part, Part::Whole) { echo(&normalized.event) } else { Map::new() };
                Taken::One(Box::new(normalized), echo)
            }
            Ok(Batch::Many(elements)) => Taken::Many(elements.into_texts().collect()),
            Err(refusal) => Taken::None(refusal, text),
        })
    }
}

fn is_array(text: &[u8]) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start().starts_with(b"[")
}

/// The event as the vendor's document prints it, its pictures blanked; nothing of one that is too large.
fn echo(event: &Event) -> Map<String, Value> {
    match serde_json::to_writer(AtMost(ECHO_MAX), event) {
        Ok(()) => document::rebuild(event, |_, _| Some(String::new())),
        Err(_) => Map::new(),
    }
}

/// Takes so many bytes and keeps none.
struct AtMost(usize);

impl io::Write for AtMost {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A bug of ours; the hook has logged where.
fn failed() -> Refusal {
    Refusal::new(Code::OverBudget, "the work on this body failed")
}
