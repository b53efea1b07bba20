//! The file system below our folders: how much a file occupies, whether there is room for more files, and who may read them.
//!
//! Promises: a file of one byte counts as the blocks it takes, so a budget in bytes also bounds the number of files. A folder of ours is
//! closed to other users of the machine, or a warning is logged. Deliberately looks at the top of a folder only: a user who cannot enter it
//! reaches nothing below.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::system::disk::Disk;

/// The block size of nearly every file system; if it is larger, `st_blocks` shows it.
const BLOCK: u64 = 4_096;
/// An inode (256 bytes on ext4, 512 on XFS) and a name of ours in a folder that is half full.
const ENTRY: u64 = 512;
/// Inodes kept free for the log's segments (at most 512) and cursors; a quarter of all if there are few.
const RESERVE: u64 = 1_024;

/// How important a file is: less important ones may not take the last inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// A file that was never acknowledged, or that one can do without.
    Last,
    /// An acknowledged file: it may use half of the reserve, and leaves the other half to the log.
    Middle,
}

/// How much a file of this length will occupy.
pub const fn cost(bytes: u64) -> u64 {
    let blocks = bytes.next_multiple_of(BLOCK);
    ENTRY + if blocks == 0 { BLOCK } else { blocks }
}

/// How much a file or folder occupies; never less than [`cost`], even if the file system packs or compresses.
pub fn occupied(metadata: &Metadata) -> u64 {
    cost(metadata.len()).max(metadata.blocks().saturating_mul(512).saturating_add(ENTRY))
}

/// The number of the file system that a file lies on.
pub fn device(metadata: &Metadata) -> u64 {
    metadata.dev()
}

/// Whether the file system of `path` can hold one more file of this rank. True if it counts no inodes or does not answer: then the write
/// itself will tell.
pub fn has_inodes(disk: &Disk, path: &Path, rank: Rank) -> bool {
    let Some(files) = disk.free_space(path).ok().and_then(|space| space.files) else {
        return true;
    };
    let reserve = RESERVE.min(files.in_all / 4);
    let untouched = match rank {
        Rank::Last => reserve,
        Rank::Middle => reserve / 2,
    };
    files.available > untouched
}

/// Makes a folder and its missing parents, and closes it to other users.
pub fn private_folder(disk: &Disk, path: &Path) -> io::Result<()> {
    disk.make_directories(path)?;
    close(path);
    Ok(())
}

/// Closes a folder to all users but ours. If it is not ours, or the file system knows no users, a warning is logged and nothing changes.
pub fn close(path: &Path) {
    let Some(metadata) = open_to_others(path) else {
        return;
    };
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let closed =
        is_ours.then(|| fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o700)));
    match closed {
        Some(Ok(())) if open_to_others(path).is_none() => {
            tracing::info!(path = %path.display(), "closed to other users of this machine: what is kept here is personal");
        }
        _ => warn_if_open(path),
    }
}

/// Warns about a folder that is open to other users, but not ours alone to close.
pub fn warn_if_open(path: &Path) {
    if open_to_others(path).is_some() {
        tracing::warn!(path = %path.display(), "open to other users of this machine, and not ours alone to close: what is kept here is personal");
    }
}

fn open_to_others(path: &Path) -> Option<Metadata> {
    fs::metadata(path)
        .ok()
        .filter(|metadata| metadata.mode() & 0o077 != 0)
}
