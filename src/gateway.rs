//! The straight line: what happens to a body on its way in, and to a record on its way out. Only this folder and `app` know the order.

mod accept;
mod ages;
mod count;
mod deliver;
pub mod devices;
mod documents;
pub mod kept;
mod preview;
mod render;
mod replays;
mod resend;
mod timetable;

pub use accept::{Gateway, Holder, Holders, Resubmit, Resubmitted, Workers};
pub use ages::Ages;
pub use count::{Counter, ReceivedCounts};
pub use deliver::{
    AsidePlace, Backlog, Consumed, Counted, Delivery, DiskLog, Fetches, Found, FoundStanding,
    Handover, Intake, Lately, Noted, OutOfKafka, ParsedEvents, Pauses, Records, Sources, Terms,
    Unplaced, Until, deliver, window_of,
};
pub use devices::Devices;
pub use documents::Documents;
pub use preview::Preview;
pub use render::{Onward, Render, ToBus, ToStore};
pub use replays::{NotReplayed, Plan, Replays, Wanted};
pub use resend::{Line, Order, Resend, Resent, WithResent};
pub use timetable::{Answered, Column, Ending, Timetable};
