//! Lines that carry little, and addresses where nobody answers.

pub mod black_hole;
pub mod thin_line;
