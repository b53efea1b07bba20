//! Why the queue does not start.
//!
//! Promises: nothing on disk was changed in a way that starting again would not repeat.

use std::io;
use std::path::{Path, PathBuf};

/// What is in the way.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process: a gateway that runs, or a command that changes the queue; stop it first", .path.display())]
    Locked { path: PathBuf },
    #[error("{} was written by a later version (format {found}, this program knows {known})", .path.display())]
    Newer {
        path: PathBuf,
        found: u32,
        known: u32,
    },
    /// Switched off with records waiting.
    #[error(
        "{waiting} records wait for {destination:?}, which is not configured; to give them up: boxbridge queue forget {destination}"
    )]
    Waiting { destination: String, waiting: u64 },
    #[error("no queue in {}: give the gateway's own --config, or ask where it runs", .path.display())]
    Missing { path: PathBuf },
    #[error("{doing} {} failed", .path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// Says what was being done to which path.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
        move |source| OpenError::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
