//! When a changed setting takes effect: declared by the line that reads it.

/// What it takes for a changed setting to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A reload.
    Live,
    /// A start, and why.
    Restart(&'static str),
}

impl Effect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::Live => "live",
            Effect::Restart(_) => "restart",
        }
    }
}

/// Why an address where we listen stays until a restart.
pub(crate) const LISTENS: &str = "a port that is open stays open";
/// Why a gateway is called the same until a restart.
pub(crate) const NAMES: &str = "events that are on disk have the name in them";
/// Why destinations are the same until a restart.
pub(crate) const DESTINATIONS: &str =
    "destinations come and go at a start, which notes since when each gets events";
/// Why pictures stay where they are until a restart.
pub(crate) const MOVES: &str =
    "a store moves at a start, which notes where pictures lay until then";
