//! The nouns that cross the stages: an event and its pictures, the box's own document, what leaves, what a sender is told, whose share it takes.
//!
//! Every stage and every command speaks in these words, and none of them has another word for the same thing.
//! This crate may use nothing of ours, and knows no HTTP, no disk and no bus. It holds what things are and how they are
//! written; what happens to them is the stages' business.

mod act;
mod by_word; // one of something for each lane, for each person type
pub mod document; // the fields of the box's own document, its characters, and how an event makes it again
mod event;
mod fairness; // who counts as one source, and how sources take turns
mod ids;
mod outgoing;
mod receipt;
mod record;
mod size;
mod timestamp;
mod words;

pub use act::{Act, ContentDigest};
pub use by_word::{ByLane, ByType};
pub use document::charset::Charset;
pub use event::{
    AsWritten, Clock, Device, Event, Identity, Match, Origin, Picture, PictureName,
    PictureReference, PictureSet, PictureVerdict, Pictures, Quality, Warning,
};
pub use fairness::{FairQueue, ShareKey};
pub use ids::{EventId, Revision, Sequence};
pub use outgoing::{DeviceStatus, Message, Object};
pub use receipt::{Authenticated, BoxPass, Code, Receipt, Refusal, Reply, Source};
pub use record::{Carried, NoPictures, Outcome, ReadPictures, Reading, Record, Resent};
pub use size::Size;
pub use timestamp::Timestamp;
pub use words::{
    ClockSource, DeviceState, Dialect, Feed, Lane, PersonType, PictureKind, PictureState,
    WarningCode,
};
