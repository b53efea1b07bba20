//! One process at a time for a data directory.
//!
//! Promises: a second gateway is refused as long as the first one lives, also where somebody removed the file `lock` meanwhile. Deliberately leaves
//! both locks to the kernel, which takes them back however a process ends.

use std::path::Path;
use std::time::Duration;

use super::open_error::OpenError;
use crate::system::disk::{Disk, File};

/// The directory of the log, below `data_dir`.
pub const DIRECTORY: &str = "queue";

/// The data directory is ours alone, for as long as this lives.
pub struct Lock {
    _file: File,
    /// The folder of the log itself: somebody may remove the file and start a second gateway.
    _folder: Option<File>,
}

/// Takes it, or says that another process has it.
pub fn lock(disk: &Disk, data_dir: &Path) -> Result<Lock, OpenError> {
    let path = data_dir.join("lock");
    let file = disk
        .open_or_create(&path)
        .map_err(OpenError::io("opening", &path))?;
    if !file.lock().map_err(OpenError::io("locking", &path))? {
        return Err(OpenError::Locked { path });
    }

    let folder = lock_folder(disk, &data_dir.join(DIRECTORY))?;
    Ok(Lock {
        _file: file,
        _folder: folder,
    })
}

/// `None` where there is no folder yet, or its file system locks files only (NFS).
fn lock_folder(disk: &Disk, path: &Path) -> Result<Option<File>, OpenError> {
    let folder = match disk.open_to_read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        folder => folder.map_err(OpenError::io("opening", path))?,
    };

    match folder.lock() {
        Ok(true) => Ok(Some(folder)),
        Ok(false) => Err(OpenError::Locked {
            path: path.to_owned(),
        }),
        Err(error) if locks_files_only(&error) => Ok(None),
        Err(error) => Err(OpenError::io("locking", path)(error)),
    }
}

fn locks_files_only(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let answers = [
        Errno::BADF,
        Errno::NOLCK,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::INVAL,
    ];
    answers
        .iter()
        .any(|answer| error.raw_os_error() == Some(answer.raw_os_error()))
}

/// The same, past a command that only looks whether it is locked.
pub fn lock_patiently(disk: &Disk, data_dir: &Path) -> Result<Lock, OpenError> {
    for _ in 0..10 {
        match lock(disk, data_dir) {
            Err(OpenError::Locked { .. }) => std::thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
    lock(disk, data_dir)
}
