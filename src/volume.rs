//! The file system below our folders: what a file occupies on it, whether it can hold more files, and who may read them.
//!
//! Promises: a file of one byte counts as what it takes, so that a budget in bytes bounds the number of files as well; no folder of
//! ours is open to other users of the machine, or it is said. Deliberately looks at the top of a folder only: whoever cannot enter
//! it reaches nothing below.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::disk::Disk;

/// Of nearly every file system; where it is larger, `st_blocks` says so.
const BLOCK: u64 = 4_096;
/// An inode (256 bytes on ext4, 512 on XFS) and a name of ours in a folder that is half full.
const ENTRY: u64 = 512;
/// Inodes left alone, for the log's segments (512 at most) and cursors; a quarter of them all where there are few.
const RESERVE: u64 = 1_024;

/// Who may not take the last inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// What was never acknowledged, or can be done without.
    Last,
    /// What was acknowledged: it goes into the reserve, but leaves half of it to the log.
    Middle,
}

/// What a file of so many bytes will occupy.
pub const fn cost(bytes: u64) -> u64 {
    let blocks = bytes.next_multiple_of(BLOCK);
    ENTRY + if blocks == 0 { BLOCK } else { blocks }
}

/// What a file or folder occupies; never less than [`cost`], also where the file system packs or compresses.
pub fn occupied(metadata: &Metadata) -> u64 {
    cost(metadata.len()).max(metadata.blocks().saturating_mul(512).saturating_add(ENTRY))
}

/// Whether the file system of `path` can hold one more file of this rank. One that counts no inodes (it reports none at all), or does
/// not answer, sets no limit: the write itself will tell.
pub fn has_inodes(disk: &Disk, path: &Path, rank: Rank) -> bool {
    let Some(files) = disk.room(path).ok().and_then(|room| room.files) else { return true };
    let reserve = RESERVE.min(files.in_all / 4);
    let untouched = match rank {
        Rank::Last => reserve,
        Rank::Middle => reserve / 2,
    };
    files.available > untouched
}

/// A folder of ours, made where it is missing with those above it, and closed to others if it was open.
pub fn private_folder(disk: &Disk, path: &Path) -> io::Result<()> {
    disk.make_directories(path)?;
    close(path);
    Ok(())
}

/// Takes a folder from all users but ours. Where that is not ours to do, or the file system knows no users, it is said and nothing changes.
pub fn close(path: &Path) {
    let Some(metadata) = open_to_others(path) else { return };
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let closed = is_ours.then(|| fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o700)));
    match closed {
        Some(Ok(())) if open_to_others(path).is_none() => {
            tracing::info!(path = %path.display(), "closed to other users of this machine: what is kept here is personal");
        }
        _ => warn_if_open(path),
    }
}

/// The same where it is not ours alone: only said.
pub fn warn_if_open(path: &Path) {
    if open_to_others(path).is_some() {
        tracing::warn!(path = %path.display(), "open to other users of this machine, and not ours alone to close: what is kept here is personal");
    }
}

fn open_to_others(path: &Path) -> Option<Metadata> {
    fs::metadata(path).ok().filter(|metadata| metadata.mode() & 0o077 != 0)
}
