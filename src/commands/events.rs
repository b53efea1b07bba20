//! `boxbridge tap` and `boxbridge trace`: events as they come, and one by one.

mod stopped;
pub mod tap;
pub mod trace;
