//! Lines that carry little, addresses where nobody answers, and a client that speaks TLS.

pub mod black_hole;
pub mod thin_line;
pub mod tls;
