//! The log on disk: its segments in order, what lies beside them in the folder, and how both are found again after anything.
//!
//! Promises: nothing is visible here before it is synced, and whatever the files hold, they are read as records, as rot or as an
//! error that names the file. Deliberately knows nobody who appends or follows: it is told what is needed no more.

mod lock;
pub mod manifest;
pub mod missing_segments;
mod open_error;
mod outages;
pub mod recover;
mod rotten;
pub mod scan;
mod segment;
pub mod segments;
mod slots;
pub mod space;

pub use lock::{DIRECTORY, Lock, lock, lock_patiently};
pub use manifest::Manifest;
pub use missing_segments::Stretch;
pub use open_error::OpenError;
pub use outages::Outages;
pub use segment::{FRESH, ReadError, Segment, Unsealed, segment_path};
pub use segments::{Gap, Log, Part, Recent, RecentRecord};
pub use slots::{CURSOR_BYTES, MANIFEST_BYTES, Slots};
