//! The file that says that the embedded broker was stopped with messages that nobody had taken.
//!
//! Promises: what was noted is seen by the next start, also where the disk does not say whether it is there: to publish again is the safe
//! side. Deliberately knows nothing of the messages: the queue has them.

use std::io;
use std::path::{Path, PathBuf};

use crate::system::disk::Disk;

const NAME: &str = "embedded.untaken";

#[derive(Clone)]
pub struct Untaken {
    disk: Disk,
    path: PathBuf,
}

impl Untaken {
    pub fn of(disk: &Disk, data_dir: &Path) -> Untaken {
        Untaken {
            disk: disk.clone(),
            path: data_dir.join(NAME),
        }
    }

    pub fn is_noted(&self) -> bool {
        !matches!(self.disk.stat(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    pub fn note(&self) -> io::Result<()> {
        self.disk.replace(&self.path, &[])
    }

    pub fn forget(&self) -> io::Result<()> {
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}
