//! `[ingest.devices]`: when a device counts as silent, and the inventory that names devices.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ingest::inventory::Inventory;
use crate::reader::Reader;
use crate::reader::units::HOUR;

#[derive(Clone, Debug, Default)]
pub struct Devices {
    /// `None` = no device is ever silent.
    pub silent_after: Option<Duration>,
    pub file: Option<PathBuf>,
    /// What the file holds; empty without one.
    pub inventory: Inventory,
}

impl Devices {
    /// `site` is that of the devices whose line names none.
    pub(crate) fn read(read: &mut Reader, site: &str) -> Devices {
        let key = "ingest.devices.silent_after";
        let silent_after = read.live().duration(key, Duration::ZERO, 24 * HOUR);
        let file = read.live().file("ingest.devices.file");
        let inventory = file.as_deref().map(|file| inventory(read, file, site));

        Devices {
            silent_after: Some(silent_after).filter(|after| !after.is_zero()),
            file,
            inventory: inventory.unwrap_or_default(),
        }
    }
}

/// The inventory in this file; each bad line is a problem of its own.
fn inventory(read: &mut Reader, file: &Path, site: &str) -> Inventory {
    Inventory::read(file, site).unwrap_or_else(|problem| {
        read.lines("ingest.devices.file", problem);
        Inventory::default()
    })
}
