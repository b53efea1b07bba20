//! The straight line: what happens to a body on its way in, and to a record on its way out. Only this file and `app.rs` know the order.

mod accept;
mod ages;
mod deliver;
pub mod kept;
mod received;
mod render;
mod turns;
mod work;

pub use accept::Gateway;
pub use ages::Ages;
pub use deliver::{Backlog, Delivery, DiskLog, Fetches, Records, Unplaced, deliver};
pub use received::ReceivedCounts;
pub use render::{Render, ToBus, ToStore};
pub use turns::Turns;
