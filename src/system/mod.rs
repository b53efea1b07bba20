//! The process and the machine under it, as the rest of us sees them: files, space, time, memory, panics.
//!
//! Deliberately knows nothing of events: whatever is here could serve another program.

pub mod clock; // how old something is, by a wall clock that may be set
pub mod disk; // the way to the file system
pub mod fault; // a panic of ours ends one thing, and its task is started again
pub mod memory; // what is freed goes back to the system
pub mod private; // what nobody else reads
pub mod volume; // what a file occupies, and who may read it
pub mod written; // how much of what was written is on the disk
