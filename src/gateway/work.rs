//! A body taken apart: when it is its source's turn, and when there is room for what that costs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::accept::Gateway;
use super::turns::Turns;
use crate::fault::{self, Fault};
use crate::ingest::{Received, Room};
use crate::normalize;
use crate::normalize::{Batch, Context, Cost, Element, Limits, Normalized, RepairRoom, normalize};
use boxbridge_config::Config;
use boxbridge_event::{Code, Event, Refusal, Source};

/// A sender sees what was understood of its event; more than this is nobody's to read, and would be in memory until it was.
const ECHO_MAX: usize = 64 * 1024;
/// How often work may find that it needs more than it has: once before it begins, and a few times in a repair.
const TURNS_MAX: usize = 16;

/// What is needed to take bodies of one request apart.
pub(super) struct Work {
    turns: Arc<Turns>,
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    source: Source,
    room: Room,
    may_be_short: bool,
}

/// What is to be taken apart.
#[derive(Clone)]
pub(super) enum Part {
    /// A body.
    Whole(Bytes),
    /// One of an array's, all of which take so many bytes.
    Element { element: Element, beside: usize },
}

/// A part taken apart.
pub(super) enum Taken {
    One(Box<One>),
    Many(Vec<Element>),
    /// It is no event, and why.
    None(Refusal, Bytes),
}

/// An event that is not decided upon yet.
pub(super) struct One {
    pub normalized: Normalized,
    /// As the vendor's document prints it: what its sender is told of it, where it is not too large. Of many only the ids are said.
    pub echo: Map<String, Value>,
    /// Its text, where something of it could not be read; else one copy in memory is enough while the disk works.
    pub body: Option<Bytes>,
}

/// What a turn came to.
enum Turn {
    Done(Taken),
    /// The work will take so much, and there is no room yet.
    Needs(usize, Part),
}

impl Work {
    /// `may_be_short`: the body may end before its document does.
    pub fn new(gateway: &Gateway, source: &Source, room: &Room, may_be_short: bool) -> Work {
        let shared = Shared {
            config: Arc::clone(&gateway.config),
            source: source.clone(),
            room: room.clone(),
            may_be_short,
        };
        Work {
            turns: Arc::clone(&gateway.turns),
            shared: Arc::new(shared),
        }
    }

    pub async fn take_apart(&self, mut part: Part) -> Result<Taken, Refusal> {
        for _ in 0..TURNS_MAX {
            let shared = Arc::clone(&self.shared);
            match self
                .turns
                .run(self.shared.source.sharer(), move || shared.turn(part))
                .await
            {
                None => break,
                Some(Turn::Done(taken)) => return Ok(taken),
                Some(Turn::Needs(bytes, again)) => {
                    self.shared.room.work(bytes).await?;
                    part = again;
                }
            }
        }
        Err(Refusal::new(Code::Fault, Fault.to_string()))
    }
}

impl Shared {
    fn turn(&self, part: Part) -> Turn {
        let (text, needs) = match &part {
            // An array is paid for element by element.
            Part::Whole(text) if is_array(text) => (text, text.len()),
            Part::Whole(text) => (text, Cost::of(text).bytes()),
            Part::Element { element, beside } => {
                (&element.text, beside + Cost::of(&element.text).bytes())
            }
        };
        if self.room.try_work(needs).is_err() {
            return Turn::Needs(needs, part);
        }

        let lacks = AtomicUsize::new(0);
        let more = |bytes: usize| {
            let has_room = self.room.try_work(needs + bytes).is_ok();
            lacks.fetch_max(if has_room { 0 } else { needs + bytes }, Ordering::Relaxed);
            has_room
        };
        // What it cannot take apart without a fault of ours is kept, as what it does not understand.
        let taken = fault::in_one_go(|| self.take_apart(&part, RepairRoom(&more)))
            .unwrap_or_else(|fault| Err(Refusal::new(Code::Fault, fault.to_string())));
        match (taken, lacks.into_inner()) {
            (Err(_), lacks) if lacks > 0 => Turn::Needs(lacks, part),
            (Err(refusal), _) => {
                Turn::Done(Taken::None(self.explained(refusal, &part), text.clone()))
            }
            (Ok(taken), _) => Turn::Done(taken),
        }
    }

    /// A whole body that is refused may be one that its sender cut off.
    fn explained(&self, refusal: Refusal, part: &Part) -> Refusal {
        match part {
            Part::Whole(body) => {
                let charset = self.source.charset.as_deref();
                Received::explain(self.may_be_short, body, charset, refusal)
            }
            Part::Element { .. } => refusal,
        }
    }

    fn take_apart(&self, part: &Part, room: RepairRoom<'_>) -> Result<Taken, Refusal> {
        let context = Context {
            source: &self.source,
            site: &self.config.site,
            gateway: &self.config.gateway,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
            room,
        };
        let (normalized, echo, text) = match part {
            Part::Whole(text) => match normalize(text, &context)? {
                Batch::One(normalized) => {
                    let echo = echo(&normalized.event);
                    (normalized, echo, text)
                }
                Batch::Many(elements) => return Ok(Taken::Many(elements.into_elements())),
            },
            Part::Element { element, .. } => {
                (element.normalize(&context)?, Map::new(), &element.text)
            }
        };
        let body = normalized.unread.is_some().then(|| text.clone());
        Ok(Taken::One(Box::new(One {
            normalized,
            echo,
            body,
        })))
    }
}

fn is_array(text: &[u8]) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start()
        .starts_with(b"[")
}

/// The event as the vendor's document prints it, its pictures blanked; nothing of one that is too large.
fn echo(event: &Event) -> Map<String, Value> {
    match serde_json::to_writer(AtMost(ECHO_MAX), event) {
        Ok(()) => normalize::opened(event, |_, _| Some(String::new())),
        Err(_) => Map::new(),
    }
}

/// Takes so many bytes and keeps none.
struct AtMost(usize);

impl io::Write for AtMost {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
