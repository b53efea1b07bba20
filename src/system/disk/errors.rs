//! The one place that says what an error of the file system means: no room, not now, or broken.
//!
//! Promises: an error that is not named here counts as broken, which is the safe side. Deliberately decides nothing: the caller knows
//! whether to refuse, wait or end.

use std::io;

use rustix::io::Errno;

/// Whether an error says "no room" (disk, quota, inodes, file size) and not "broken".
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Whether an error says "not now": it will pass, or an operator can remove its cause. It says nothing about the bytes on the disk.
pub fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 9] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ACCESS,
        Errno::PERM,
        Errno::INTR,
        Errno::AGAIN,
        Errno::BUSY,
    ];

    is_full(error)
        || error
            .raw_os_error()
            .is_some_and(|code| PASSING.iter().any(|errno| errno.raw_os_error() == code))
}

pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
