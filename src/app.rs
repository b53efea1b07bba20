//! The gateway as a whole: built and started in one order (`start.rs`), and stopped in the reverse of it (`stop.rs`).
//!
//! Promises: an [`App`] accepts and delivers from its start to its stop. Deliberately the only folder, beside `gateway`, that knows the
//! order of the stages.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::admin::Health;
use crate::queue::Queue;

mod data_dir;
pub mod destinations;
pub mod embedded_broker;
mod listen;
mod logging;
mod process;
mod reload;
mod service_manager;
mod start;
mod stop;
mod tasks;
mod upkeep;

pub use data_dir::{instance, redact_key};
pub use destinations::{handed_over, keep_delivering};
pub use logging::start as start_logging;
pub use process::run;
pub use reload::{NotTaken, Reload, Taken};
pub use service_manager::Held;

use listen::BoxAddresses;
use stop::Running;

/// A running gateway.
pub struct App {
    pub ingest_addresses: BoxAddresses,
    pub admin_address: SocketAddr,
    reload: Arc<Reload>,
    health: Arc<Health>,
    queue: Queue,
    running: Running,
}

impl App {
    /// Whether every destination works; the gateway accepts either way.
    pub fn is_connected(&self) -> bool {
        self.health.is_connected()
    }
}
