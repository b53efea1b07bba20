//! What lies below HTTP at a port of ours: places for connections, their deadlines, and what goes over them unread.
//!
//! Serves the boxes' port and the admin port alike. Promises: no connection is open without an end in sight (silence, a slow head, an
//! answer that nobody reads), and one source, however many connections it opens, keeps no other source out. Deliberately knows no path
//! and no body.

mod arrival;
mod connection;
mod exchange;
mod first_line;
mod line;
mod listener;
mod patience;
mod places;
mod proxy_protocol;

pub use connection::{Deadlines, run, say_and_close};
pub use exchange::Exchange;
pub use listener::{Arrival, Listener, Port, STOP_MAX, last_call, serve};
pub use places::{Place, Places};
pub use proxy_protocol::{NoHeader, Said, read as read_proxy_header};
