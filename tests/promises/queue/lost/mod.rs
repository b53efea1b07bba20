//! What the disk has lost, or does not read: it is counted and stepped over, and nothing else goes with it.

mod missing_segments;
mod rot;
mod unread;
mod witness;
