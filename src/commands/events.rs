//! `boxbridge tap` and `boxbridge trace`: events of a running gateway, as they come and one by one.

pub mod tap;
pub mod trace;
