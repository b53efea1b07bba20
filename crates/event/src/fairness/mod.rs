//! Who counts as one source where something is shared, and how sources take turns.

mod fair_queue;
mod share_key;

pub use fair_queue::FairQueue;
pub use share_key::ShareKey;
