//! The manifest: which log this is, who follows it, and whether it was closed properly.
//!
//! Promises: both of its slots hold the same, so one flipped byte loses nothing; where both are gone it is made again from the
//! segments and the cursors that are there. Deliberately holds no positions: each cursor has its own slot.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::missing_segments::Stretch;
use super::open_error::OpenError;
use super::slots::{MANIFEST_BYTES, Slots};
use crate::queue::format::VERSION;
use crate::system::disk::Disk;
use boxbridge_event::Lane;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// 32 hex digits, made once for this disk.
    pub epoch: String,
    /// Closed, with everything written.
    pub clean: bool,
    pub destinations: Vec<String>,
    /// What was stepped over because no segment held it: known again if one does.
    #[serde(default)]
    pub gone: Vec<Stretch>,
    /// No segment of a lower number is made: one that is elsewhere may come back under its name.
    #[serde(default)]
    pub next_segment: u64,
}

pub fn path(directory: &Path) -> PathBuf {
    directory.join("manifest")
}

/// 32 hex digits.
pub fn epoch_text(epoch: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(epoch))
}

impl Manifest {
    /// The manifest and its file, made new where it is missing; `segments_epoch` is the one that a segment tells.
    pub fn open(
        disk: &Disk,
        directory: &Path,
        segments_epoch: Option<[u8; 16]>,
    ) -> Result<(Manifest, Slots), OpenError> {
        let path = path(directory);
        let found = Slots::open(disk, &path, MANIFEST_BYTES);
        let (slots, text) = found.map_err(OpenError::io("reading", &path))?.unzip();

        let manifest = match text
            .flatten()
            .and_then(|text| serde_json::from_slice::<Manifest>(&text).ok())
        {
            Some(manifest) if manifest.version > VERSION => {
                return Err(OpenError::Newer {
                    path,
                    found: manifest.version,
                    known: VERSION,
                });
            }
            Some(manifest) => manifest,
            None => Manifest::anew(disk, directory, segments_epoch)
                .map_err(OpenError::io("listing", directory))?,
        };
        let text = manifest.text();
        let slots = match slots {
            Some(mut slots) => slots.write_both(&text).map(|()| slots),
            None => Slots::create(disk, path.clone(), MANIFEST_BYTES, &text),
        };
        Ok((manifest, slots.map_err(OpenError::io("writing", &path))?))
    }

    /// Without claiming or changing anything. `None` where there is none that validates.
    pub fn peek(disk: &Disk, directory: &Path) -> io::Result<Option<Manifest>> {
        let text = Slots::peek(disk, &path(directory), MANIFEST_BYTES)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    pub fn knows(&self, destination: &str) -> bool {
        self.destinations.iter().any(|known| known == destination)
    }

    pub fn text(&self) -> Vec<u8> {
        // Strings and numbers only: writing them cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn epoch_bytes(&self) -> [u8; 16] {
        u128::from_str_radix(&self.epoch, 16)
            .unwrap_or_default()
            .to_be_bytes()
    }

    fn anew(
        disk: &Disk,
        directory: &Path,
        segments_epoch: Option<[u8; 16]>,
    ) -> io::Result<Manifest> {
        let epoch = segments_epoch.unwrap_or_else(|| uuid::Uuid::new_v4().into_bytes());

        let mut destinations = Vec::new();
        for path in disk.list(directory)? {
            let path = path?;
            let suffix = format!("-{}", Lane::Normal);
            let destination = path.file_name().and_then(|name| {
                name.to_str()?
                    .strip_prefix("cursor-")?
                    .strip_suffix(&suffix)
            });
            destinations.extend(destination.map(str::to_owned));
        }

        destinations.sort();
        Ok(Manifest {
            version: VERSION,
            epoch: epoch_text(epoch),
            clean: false,
            destinations,
            gone: Vec::new(),
            next_segment: 0,
        })
    }
}
