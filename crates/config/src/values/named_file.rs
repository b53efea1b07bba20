//! A file that a setting names: whether its content is still the same.
//!
//! Promises: a file that was only touched, or that a symbolic link now finds elsewhere with the same content, is the same. Deliberately
//! reads nothing that a first read would use up: of a pipe it knows nothing.

use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Settings, certificates, passwords and lists of devices are far smaller.
const READ_MAX: u64 = 64 << 20;

/// A file and what was in it when it was looked at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    pub path: PathBuf,
    place: Option<Place>,
    /// `None` where it cannot be read.
    pub content: Option<u64>,
}

/// Which file it is behind all links, and when it was written: while these stay, so does its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl NamedFile {
    pub fn look(path: &Path) -> NamedFile {
        NamedFile {
            path: path.to_owned(),
            place: None,
            content: None,
        }
        .again()
    }

    /// The same file as of now.
    pub fn again(&self) -> NamedFile {
        let metadata = std::fs::metadata(&self.path).ok();
        let place = metadata.filter(Metadata::is_file).map(|it| Place::of(&it));
        let content = match place.is_some() && place == self.place {
            true => self.content,
            false => place.and_then(|_| content(&self.path)),
        };
        NamedFile {
            path: self.path.clone(),
            place,
            content,
        }
    }
}

impl Place {
    fn of(metadata: &Metadata) -> Place {
        Place {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn content(path: &Path) -> Option<u64> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(READ_MAX).read_to_end(&mut bytes).ok()?;

    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
