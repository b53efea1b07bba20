//! Why a group is not written.
//!
//! Promises: the log is broken only by a failed call on what holds records or their names, and not where the error says that the call
//! was never tried.

use std::io;

use crate::system::disk::{self, File};

pub enum Trouble {
    /// `max_bytes` is used up.
    Full { used: u64, limit: u64 },
    /// The file system has no space, whatever `max_bytes` says.
    DiskFull { reason: String },
    /// The disk does not do it at the moment, and nothing is lost by that.
    NotNow { reason: String },
    /// A write or sync of the log failed: what the disk holds is only known once it was read again.
    Broken(io::Error),
}

impl Trouble {
    /// Of a call on what holds records, or their names.
    pub fn of(doing: &str, file: &File, error: io::Error) -> Trouble {
        match disk::is_passing(&error) {
            true => Trouble::not_now(
                format!("{doing} {}: {error}", file.path().display()),
                &error,
            ),
            false => Trouble::Broken(error),
        }
    }

    /// Of a call that nothing answered depends on.
    pub fn not_now(reason: String, error: &io::Error) -> Trouble {
        match disk::is_full(error) {
            true => Trouble::DiskFull { reason },
            false => Trouble::NotNow { reason },
        }
    }
}
