//! The way out of the log: how far each destination has come in each lane, and the records that it gets next.
//!
//! Promises: a record without an answer comes again, one with an answer does not, across restarts. Deliberately knows no destination
//! but by name (and that the one called `store` settles pictures), and nobody who appends.

mod cursor;
mod cursor_slot;
mod progress;
mod read_ahead;
mod record_reader;
mod replay;
mod selection;
mod subscription;
mod subscriptions;
mod type_set;
mod verdict_log;
mod verdicts;

pub use cursor::Cursor;
pub use cursor_slot::{FoundSlots, Saved, cursor_path};
pub use progress::{Change, EndedErrand, Progress, ROTTEN, RecordState, Standing, Tally};
pub use record_reader::{Onward, after, found_record, recent_after};
pub use replay::{Errand, Replay};
pub use selection::Selection;
pub use subscription::Subscription;
pub use subscriptions::Subscriptions;
pub use verdicts::Verdicts;
