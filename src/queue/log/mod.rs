//! The log on disk: its segments in order, what lies beside them in the folder, and how both are found again after anything.
//!
//! Promises: nothing is visible here before it is synced, and whatever the files hold, they are read as records, as rot or as an
//! error that names the file. Deliberately knows nobody who appends or follows: it is told what is needed no more.

pub mod gone;
mod lock;
pub mod manifest;
mod open_error;
mod outages;
pub mod recover;
mod rotten;
pub mod scan;
mod segment;
pub mod segments;
mod slots;
pub mod space;

pub use gone::Stretch;
pub use lock::{DIRECTORY, Lock, lock, lock_patiently};
pub use manifest::Manifest;
pub use open_error::OpenError;
pub use outages::Outages;
pub use segment::{FRESH, ReadError, Segment, Unsealed, segment_path};
pub use segments::{Gap, Log, Part};
pub use slots::{CURSOR_BYTES, MANIFEST_BYTES, Slots};
