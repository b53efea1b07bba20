//! Parses a body, or one element of an array: when it is its source's turn, and when the memory that it costs is free.
//!
//! Promises: the cost is taken from the budget before the work begins, and again when a repair needs more. A fault of ours refuses the body,
//! which is kept like any other that is not understood. Deliberately decides nothing about the event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Gateway, Workers};
use crate::ingest::{BodyMemory, Received};
use crate::normalize;
use crate::normalize::{Batch, Context, Element, Limits, Normalized, Outline, RepairBudget};
use crate::system::fault::{self, Fault};
use crate::system::memory;
use boxbridge_config::Config;
use boxbridge_event::{Code, Refusal, Source};

/// A sender is shown what was understood of its event, unless its text beside the pictures is longer than this: nobody reads so much, and
/// it would stay in memory until it was read.
const ECHO_MAX: u64 = 64 * 1024;
/// A text of so many bytes is worth a look before its turn comes: how long it will take depends on what it holds.
const SHORT_TEXT: usize = 512 * 1024;
/// What costs so much memory is parsed in a millisecond or two: a body of 512 KB that is pictures, or five thousand values.
const SHORT: usize = 3 * SHORT_TEXT;
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

/// A part with a look at it, once somebody has had it.
struct Work {
    part: Part,
    outline: Option<Outline>,
}

/// An event that is not decided upon yet.
pub(super) struct ParsedEvent {
    pub normalized: Normalized,
    /// The event as the vendor's document prints it, for its sender. Empty if it is too large, or came in an array: then the id is enough.
    pub echo: Map<String, Value>,
    /// Its text, if something in it could not be read. Otherwise one copy in memory is enough while the disk works.
    pub body: Option<Bytes>,
    /// Memory that it takes from when it is on disk until its sender has read the answer, at most.
    pub lasting: usize,
}

/// The result of one turn.
enum Turn {
    Done(Parsed),
    /// The work will take so many bytes, and they are not free yet.
    Needs(usize, Work),
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
            config: gateway.config.now(),
            source: source.clone(),
            memory: memory.clone(),
            may_be_short,
        };
        Parser {
            workers: Arc::clone(&gateway.parsers),
            shared: Arc::new(shared),
        }
    }

    pub async fn parse(&self, part: Part) -> Result<Parsed, Refusal> {
        let source = self.shared.source.share_key();
        let mut work = Work {
            part,
            outline: None,
        };
        for _ in 0..TURNS_MAX {
            let shared = Arc::clone(&self.shared);
            let is_short = work.is_short();
            let turn = move || shared.turn(work);
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
                    work = again;
                }
            }
        }
        Err(Refusal::new(Code::Fault, Fault.to_string()))
    }
}

impl Shared {
    fn turn(&self, mut work: Work) -> Turn {
        let needs = work.cost();
        if needs > COSTLY {
            memory::return_free_blocks();
        }
        if self.memory.try_work(needs).is_err() {
            return Turn::Needs(needs, work);
        }

        let (taken, lacks) = (AtomicUsize::new(needs), AtomicUsize::new(0));
        let more = |bytes: usize| {
            let has_room = self.memory.try_work(needs + bytes).is_ok();
            let most = if has_room { &taken } else { &lacks };
            most.fetch_max(needs + bytes, Ordering::Relaxed);
            has_room
        };
        let parsed = fault::in_one_go(|| self.parse(&work, RepairBudget(&more)))
            .unwrap_or_else(|fault| Err(Refusal::new(Code::Fault, fault.to_string())));

        match (parsed, lacks.into_inner()) {
            (Err(_), lacks) if lacks > 0 => Turn::Needs(lacks, work),
            (Err(refusal), _) => {
                let refusal = self.explained(refusal, &work.part);
                Turn::Done(Parsed::Refused(refusal, work.part.text().clone()))
            }
            (Ok(Parsed::Event(mut event)), _) => {
                event.lasting = taken.into_inner().saturating_sub(work.passing());
                Turn::Done(Parsed::Event(event))
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

    fn parse(&self, work: &Work, budget: RepairBudget<'_>) -> Result<Parsed, Refusal> {
        let context = Context {
            source: &self.source,
            site: &self.config.site,
            gateway: &self.config.gateway,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
            budget,
        };

        // Of an array nobody made one: its elements have their own.
        let outline = work.outline.clone().unwrap_or_default();
        let (normalized, echo) = match &work.part {
            Part::Whole(text) => match normalize::normalize_outlined(text, &outline, &context)? {
                Batch::One(mut normalized) => {
                    let echo = echo(text, &mut normalized);
                    (normalized, echo)
                }
                Batch::Many(elements) => return Ok(Parsed::Array(elements.into_elements())),
            },
            Part::Element { element, .. } => (element.normalize(&outline, &context)?, Map::new()),
        };

        self.source.may_tell_of(&normalized.event.device.id)?;
        let text = work.part.text();
        let body = normalized.unread.is_some().then(|| text.clone());
        Ok(Parsed::Event(Box::new(ParsedEvent {
            normalized,
            echo,
            body,
            lasting: usize::MAX,
        })))
    }
}

impl Work {
    /// Whether it takes no longer than handing it to another thread is worth. Looks at short texts alone.
    fn is_short(&mut self) -> bool {
        self.part.text().len() <= SHORT_TEXT && self.cost() <= SHORT
    }

    /// The memory that it takes. Arrays are paid for element by element.
    fn cost(&mut self) -> usize {
        match &self.part {
            Part::Whole(text) if is_array(text) => text.len(),
            Part::Whole(_) => self.outline().cost.bytes(),
            &Part::Element { beside, .. } => beside + self.outline().cost.bytes(),
        }
    }

    /// What of the cost ends with the work.
    fn passing(&mut self) -> usize {
        self.outline().cost.passing()
    }

    fn outline(&mut self) -> &Outline {
        let text = self.part.text();
        self.outline.get_or_insert_with(|| Outline::of(text))
    }
}

impl Part {
    fn text(&self) -> &Bytes {
        match self {
            Part::Whole(text) => text,
            Part::Element { element, .. } => &element.text,
        }
    }
}

fn is_array(text: &[u8]) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start()
        .starts_with(b"[")
}

/// The document, its pictures blanked, for its sender; empty for a large one.
fn echo(text: &[u8], normalized: &mut Normalized) -> Map<String, Value> {
    let document = std::mem::take(&mut normalized.document);
    let pictures = normalized.event.pictures.iter();
    let in_base64: u64 = pictures
        .map(|(_, picture)| picture.bytes.div_ceil(3) * 4)
        .sum();

    match (text.len() as u64).saturating_sub(in_base64) <= ECHO_MAX {
        true => document,
        false => Map::new(),
    }
}
