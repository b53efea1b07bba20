//! The layers below HTTP at a port: places for connections, their deadlines, TLS, and the bytes they carry.
//!
//! Serves the boxes' port, the admin port and the links' alike. Promises: every connection has a deadline (for silence, for a slow head, for an answer
//! that nobody reads). One source, however many connections it opens, keeps no other source out. Deliberately knows no path and no body.

mod activity;
mod connection;
mod first_line;
mod listener;
mod places;
mod proxy_protocol;
mod tcp_info;
mod timed_stream;
mod turns;
mod waiting_line;
mod wire;

pub use activity::{Activity, InService};
pub use connection::{Broken, Deadlines, answer_each, open, run};
pub use listener::{Listener, NewConnection, Port, STOP_MAX, last_call, serve};
pub use places::{PATIENCE, Place, Places};
pub use proxy_protocol::{NoHeader, Said, read as read_proxy_header};
pub use wire::{Greeting, Wire, is_failed_handshake};
