//! A file in the making: room and name are taken, and given back unless it is written whole.
//!
//! Promises: a half-written file never has a name; what could not be synced is not there.

use std::io;
use std::path::{Path, PathBuf};

use super::contents::FileState;
use super::{Folder, UNFINISHED};
use crate::system::disk::Disk;
use crate::system::volume;

/// A name that is taken and not written yet; given back when dropped, unless it was filled.
pub(super) struct Reserved<'a> {
    pub folder: &'a Folder,
    pub name: &'a str,
    pub is_kept: bool,
}

impl Reserved<'_> {
    pub fn fill(mut self, head: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        let Folder {
            disk, directory, ..
        } = self.folder;
        let parts = [&[head], parts].concat();

        match place(disk, directory, self.name, &parts) {
            Ok(occupied) => {
                self.keep(occupied);
                Ok(())
            }
            Err(error) => {
                // What is not known to be on disk is not kept: nobody counts it, and it may come again.
                let path = directory.join(self.name);
                let unfinished = unfinished(directory, self.name);
                let _ = disk.remove(&unfinished).or_else(|_| disk.remove(&path));
                Err(error)
            }
        }
    }

    /// The bytes that it really occupies count from now on.
    fn keep(&mut self, occupied: u64) {
        self.is_kept = true;
        let owner = self.folder.owner;
        let mut contents = self.folder.contents.lock();

        contents.forget(self.name, owner);
        contents.charge(&owner(self.name).unwrap_or_default(), occupied);
        let kept = FileState::Kept { bytes: occupied };
        contents.files.insert(self.name.to_owned(), kept);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.folder
                .contents
                .lock()
                .forget(self.name, self.folder.owner);
        }
    }
}

/// Puts a file in the place of the one that has its name; where that fails, the old one stays.
pub(super) fn replace(
    disk: &Disk,
    directory: &Path,
    name: &str,
    parts: &[&[u8]],
) -> io::Result<()> {
    let placed = place(disk, directory, name, parts);
    if placed.is_err() {
        let _ = disk.remove(&unfinished(directory, name));
    }
    placed.map(drop)
}

fn unfinished(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}{UNFINISHED}"))
}

/// Writes a file and names it, all of it durable. What it occupies.
fn place(disk: &Disk, directory: &Path, name: &str, parts: &[&[u8]]) -> io::Result<u64> {
    let unfinished = unfinished(directory, name);
    let file = disk.create(&unfinished)?;
    let mut pieces: Vec<_> = parts.iter().copied().map(io::IoSlice::new).collect();
    file.write_pieces_at(&mut pieces, 0)?;
    file.sync()?;
    let occupied = volume::occupied(&file.stat()?);

    disk.rename(&unfinished, &directory.join(name))?;
    disk.sync_directory(directory)?;
    Ok(occupied)
}
