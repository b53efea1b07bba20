//! Ledgers and recordings, line by line: one line in memory at a time.
//!
//! A last line that was cut off, as a kill leaves it, is reported and does not end the reading.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::Error;
use crate::simulate::Entry;
use boxbridge_event::Timestamp;

/// Gives every line to `take`, whose error ends the reading; the number of lines that could not be read.
pub fn each<T: DeserializeOwned>(
    path: &Path,
    mut take: impl FnMut(T) -> Result<(), Error>,
) -> Result<u64, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };

    let mut unreadable = 0;
    for line in BufReader::new(File::open(path).map_err(failed)?).split(b'\n') {
        match serde_json::from_slice(&line.map_err(failed)?) {
            Ok(value) => take(value)?,
            Err(_) => unreadable += 1,
        }
    }
    Ok(unreadable)
}

/// When the first event of a ledger was sent; `None` where there is no ledger yet.
pub fn begin(path: &Path) -> Option<Timestamp> {
    let mut line = String::new();
    BufReader::new(File::open(path).ok()?)
        .read_line(&mut line)
        .ok()?;
    let entry: Entry = serde_json::from_str(&line).ok()?;
    Some(entry.sent_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_counted_and_the_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, "1\n2\n\"cut o").unwrap();
        let mut read: Vec<u32> = Vec::new();
        let unreadable = each(&path, |line| {
            read.push(line);
            Ok(())
        });
        assert_eq!((unreadable.unwrap(), read), (1, vec![1, 2]));
        assert!(begin(&path).is_none());
        assert!(each(&folder.path().join("none"), |_: u32| Ok(())).is_err());
    }
}
