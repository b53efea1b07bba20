//! Parses a body, or one element of an array: when it is its source's turn, and when the memory that it costs is free.
//!
//! Promises: the cost is taken from the budget before the work begins, and again when a repair needs more. A fault of ours refuses the body,
//! which is kept like any other that is not understood. Deliberately decides nothing about the event.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Gateway, Workers};
use crate::ingest::{BodyMemory, Received};
use crate::normalize;
use crate::normalize::{
    Batch, Context, Cost, Element, Limits, Normalized, RepairBudget, normalize,
};
use crate::system::fault::{self, Fault};
use crate::system::memory;
use boxbridge_config::Config;
use boxbridge_event::{Code, Event, Refusal, Source};

/// A sender is shown what was understood of its event. Nobody reads more than this, and it would stay in memory until it was read.
const ECHO_MAX: usize = 64 * 1024;
/// So much is parsed in a millisecond, a camera's usual 200 KB in a third of one.
const SHORT: usize = 512 * 1024;
/// Many small blocks that earlier work has freed must not be held beside those of such work.
const COSTLY: usize = 16 << 20;
/// How often a turn may find that it needs more memory: once before the work begins, and a few times in a repair.
const TURNS_MAX: usize = 16;

/// Parses the bodies of one request.
pub(super) struct Parser {
    workers: Arc<Workers>,
    shared: Arc<Shared>,
}

struct Shared {
    config: Arc<Config>,
    source: Source,
    memory: BodyMemory,
    may_be_short: bool,
}

/// Text to parse.
#[derive(Clone)]
pub(super) enum Part {
    /// A whole body.
    Whole(Bytes),
    /// One element of an array; all of them together have so many bytes.
    Element { element: Element, beside: usize },
}

pub(super) enum Parsed {
    Event(Box<ParsedEvent>),
    Array(Vec<Element>),
    /// It is no event, and why.
    Refused(Refusal, Bytes),
}

/// An event that is not decided upon yet.
pub(super) struct ParsedEvent {
    pub normalized: Normalized,
    /// The event as the vendor's document prints it, for its sender. Empty if it is too large, or came in an array: then the id is enough.
    pub echo: Map<String, Value>,
    /// Its text, if something in it could not be read. Otherwise one copy in memory is enough while the disk works.
    pub body: Option<Bytes>,
}

/// The result of one turn.
enum Turn {
    Done(Parsed),
    /// The work will take so many bytes, and they are not free yet.
    Needs(usize, Part),
}

impl Parser {
    /// `may_be_short`: the body may end before its document does.
    pub fn new(
        gateway: &Gateway,
        source: &Source,
        memory: &BodyMemory,
        may_be_short: bool,
    ) -> Parser {
        let shared = Shared {
            config: Arc::clone(&gateway.config),
            source: source.clone(),
            memory: memory.clone(),
            may_be_short,
        };
        Parser {
            workers: Arc::clone(&gateway.parsers),
            shared: Arc::new(shared),
        }
    }

    pub async fn parse(&self, mut part: Part) -> Result<Parsed, Refusal> {
        let source = self.shared.source.share_key();
        for _ in 0..TURNS_MAX {
            let shared = Arc::clone(&self.shared);
            let is_short = part.text().len() <= SHORT;
            let turn = move || shared.turn(part);
            let came_to = if is_short {
                self.workers.run_short(source, turn).await
            } else {
                self.workers.run(source, turn).await
            };
            match came_to {
                None => break,
                Some(Turn::Done(parsed)) => return Ok(parsed),
                Some(Turn::Needs(bytes, again)) => {
                    self.shared.memory.work(bytes).await?;
                    part = again;
                }
            }
        }
        Err(Refusal::new(Code::Fault, Fault.to_string()))
    }
}

impl Shared {
    fn turn(&self, part: Part) -> Turn {
        let needs = part.cost();
        if needs > COSTLY {
            memory::return_free_blocks();
        }
        if self.memory.try_work(needs).is_err() {
            return Turn::Needs(needs, part);
        }

        let lacks = AtomicUsize::new(0);
        let more = |bytes: usize| {
            let has_room = self.memory.try_work(needs + bytes).is_ok();
            lacks.fetch_max(if has_room { 0 } else { needs + bytes }, Ordering::Relaxed);
            has_room
        };
        let parsed = fault::in_one_go(|| self.parse(&part, RepairBudget(&more)))
            .unwrap_or_else(|fault| Err(Refusal::new(Code::Fault, fault.to_string())));

        match (parsed, lacks.into_inner()) {
            (Err(_), lacks) if lacks > 0 => Turn::Needs(lacks, part),
            (Err(refusal), _) => {
                let refusal = self.explained(refusal, &part);
                Turn::Done(Parsed::Refused(refusal, part.text().clone()))
            }
            (Ok(parsed), _) => Turn::Done(parsed),
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

    fn parse(&self, part: &Part, budget: RepairBudget<'_>) -> Result<Parsed, Refusal> {
        let context = Context {
            source: &self.source,
            site: &self.config.site,
            gateway: &self.config.gateway,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
            budget,
        };

        let (normalized, echo) = match part {
            Part::Whole(text) => match normalize(text, &context)? {
                Batch::One(normalized) => {
                    let echo = echo(&normalized.event);
                    (normalized, echo)
                }
                Batch::Many(elements) => return Ok(Parsed::Array(elements.into_elements())),
            },
            Part::Element { element, .. } => (element.normalize(&context)?, Map::new()),
        };

        let body = normalized.unread.is_some().then(|| part.text().clone());
        Ok(Parsed::Event(Box::new(ParsedEvent {
            normalized,
            echo,
            body,
        })))
    }
}

impl Part {
    fn text(&self) -> &Bytes {
        match self {
            Part::Whole(text) => text,
            Part::Element { element, .. } => &element.text,
        }
    }

    /// The memory that parsing it takes. Arrays are paid for element by element.
    fn cost(&self) -> usize {
        match self {
            Part::Whole(text) if is_array(text) => text.len(),
            Part::Whole(text) => Cost::of(text).bytes(),
            Part::Element { element, beside } => beside + Cost::of(&element.text).bytes(),
        }
    }
}

fn is_array(text: &[u8]) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start()
        .starts_with(b"[")
}

/// The event as the vendor's document prints it, its pictures blanked; empty for one that is too large.
fn echo(event: &Event) -> Map<String, Value> {
    match serde_json::to_writer(AtMost(ECHO_MAX), event) {
        Ok(()) => normalize::opened(event, |_, _| Some(String::new())),
        Err(_) => Map::new(),
    }
}

/// Takes at most so many bytes, and keeps none.
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
