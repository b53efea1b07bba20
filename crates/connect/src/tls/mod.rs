//! TLS: what we trust and what we show, as a client and where we listen.

mod client;
mod files;
mod pinned;
mod server;

pub use client::{client_config, remedy};
pub use files::TlsError;
pub use pinned::pinned_config;
pub use server::{Encryption, ServerTls, server_tls};
