//! A bounded folder of things that are kept whole, one file each: a line of JSON that says what it is, then the bytes.
//!
//! Promises: what [`Folder::put`] returned for is on disk, file and directory synced; a name is taken once, so that a crash between
//! writing and whatever follows cannot keep a thing twice; a half-written file never has a name. Unknown files are left alone.
//! Deliberately decides nothing: what is kept, and what gives way when it is full, is for `aside` and `quarantine`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The ending of a file that is being written; such files are removed at start.
const UNFINISHED: &str = ".unfinished";

pub struct Folder {
    directory: PathBuf,
    /// Name → bytes on disk; the order of names is the order of keeping.
    sizes: BTreeMap<String, u64>,
    total: u64,
}

impl Folder {
    /// Opens it, made where it is missing; only names that `is_ours` knows count.
    pub fn open(directory: &Path, is_ours: impl Fn(&str) -> bool) -> io::Result<Folder> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut folder = Folder { directory: directory.to_owned(), sizes: BTreeMap::new(), total: 0 };
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            } else if is_ours(&name) {
                folder.note(name, entry.metadata()?.len());
            }
        }
        Ok(folder)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.sizes.contains_key(name)
    }

    /// Bytes of all that is kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Names and sizes, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.sizes.iter().map(|(name, size)| (name.as_str(), *size))
    }

    /// Writes `head` as one line and `parts` behind it, and syncs file and directory. A name that is there stays as it is.
    pub fn put(&mut self, name: &str, head: &serde_json::Value, parts: &[&[u8]]) -> io::Result<()> {
        if self.contains(name) {
            return Ok(());
        }
        let unfinished = self.directory.join(format!("{name}{UNFINISHED}"));
        let size = match write(&unfinished, head, parts) {
            Ok(size) => size,
            Err(error) => {
                let _ = fs::remove_file(&unfinished);
                return Err(error);
            }
        };
        fs::rename(&unfinished, self.directory.join(name))?;
        self.sync()?;
        self.note(name.to_owned(), size);
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.directory.join(name)) {
            // An operator was first.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.total -= self.sizes.remove(name).unwrap_or(0);
        Ok(())
    }

    /// Forgets what an operator has removed by hand.
    pub fn look_again(&mut self) {
        let gone: Vec<_> = self.sizes.keys().filter(|name| !self.directory.join(name).exists()).cloned().collect();
        for name in gone {
            self.total -= self.sizes.remove(&name).unwrap_or(0);
        }
    }

    /// Makes what was removed and renamed durable.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn note(&mut self, name: String, size: u64) {
        self.total += size;
        self.sizes.insert(name, size);
    }
}

fn write(path: &Path, head: &serde_json::Value, parts: &[&[u8]]) -> io::Result<u64> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let head = format!("{head}\n");
    file.write_all(head.as_bytes())?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()?;
    Ok(head.len() as u64 + parts.iter().map(|part| part.len() as u64).sum::<u64>())
}
