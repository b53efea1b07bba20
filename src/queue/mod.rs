//! Event + pictures → durable record: one log, one cursor per destination and lane.

mod cursor;
mod disk;
mod duplicates;
mod follower;
mod group;
mod handle;
mod inner;
pub mod inspect;
mod intake;
mod keeper;
mod layout;
mod log;
mod manifest;
mod open;
mod progress;
mod record;
mod recover;
mod replay;
mod scan;
mod segment;
mod settings;
mod slots;
mod space;
mod status;
mod verdicts;
mod writer;

pub use cursor::Cursor;
pub use disk::{Call, Disk};
pub use handle::{AppendError, Appended, Entry, Queue};
pub use progress::{Outcome, ROTTEN, Tally};
pub use record::Record;
pub use segment::ReadError;
pub use settings::{OpenError, Settings};
pub use space::ON_FULL;
pub use status::{FollowerStatus, SpaceUsed, Status};
pub use verdicts::Verdicts;
