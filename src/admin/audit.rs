//! `data_dir/audit.jsonl`: who changed something by the API or a command, written before it is done.
//!
//! Promises: when [`Audit::note`] returns, the line is on disk; where it fails, nothing is to be done. Room for the next lines is kept in a
//! file beside it and given up when the disk is full, so an operator can act then. Four files of 16 MiB at most. Deliberately names
//! nobody: who notes an identity notes its hash.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;

use super::access::Caller;
use crate::system::disk::{Disk, File, is_full};
use boxbridge_event::Timestamp;

/// A file that would be longer gives way to a new one.
const FILE_MAX: u64 = 16 << 20;
/// `audit.jsonl.1` is the newest of them.
const OLD_FILES: usize = 3;
/// A thousand acts on a full disk.
const ROOM: u64 = 256 << 10;

pub struct Audit {
    disk: Disk,
    directory: PathBuf,
    /// One act at a time.
    writing: Mutex<()>,
}

/// What somebody is about to do.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// A noun and a verb, such as `aside.drop`.
    pub what: &'static str,
    /// Of what it changes; `None` where that cannot be counted.
    pub how_many: Option<u64>,
    /// The filter, or the name.
    pub details: Value,
}

#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    who: &'a str,
    from: IpAddr,
    #[serde(flatten)]
    act: &'a Act,
}

impl Audit {
    /// Keeps room for the first lines. A disk that has none now is asked again with each act.
    pub fn open(disk: &Disk, data_dir: &Path) -> Audit {
        let audit = Audit {
            disk: disk.clone(),
            directory: data_dir.to_owned(),
            writing: Mutex::new(()),
        };
        audit.keep_room();
        audit
    }

    /// Of a command on a stopped gateway.
    pub fn of_a_command(data_dir: &Path, act: &Act) -> io::Result<()> {
        Audit::open(&Disk::default(), data_dir).note(&Caller::of_a_command(), act)
    }

    /// Writes and syncs a line. Blocks for that.
    pub fn note(&self, caller: &Caller, act: &Act) -> io::Result<()> {
        let line = Line {
            at: Timestamp::now(),
            who: &caller.who,
            from: caller.from,
            act,
        };
        let text = serde_json::to_string(&line)? + "\n";

        let _writing = self.writing.lock();
        match self.append(&text) {
            Err(error) if is_full(&error) && self.give_up_room() => self.append(&text)?,
            appended => appended?,
        }
        self.keep_room();
        Ok(())
    }

    fn append(&self, text: &str) -> io::Result<()> {
        let path = self.path("audit.jsonl");
        let (mut file, mut length) = self.end_of(&path)?;
        if length > 0 && length + text.len() as u64 > FILE_MAX {
            drop(file);
            self.rotate(&path)?;
            (file, length) = self.end_of(&path)?;
        }

        let written = file
            .write_at(text.as_bytes(), length)
            .and_then(|()| file.sync());
        if written.is_err() {
            // What is not known to be on disk was not noted.
            let _ = file.set_length(length);
        }
        written
    }

    /// The file, and where its last whole line ends: a crash in the middle of one leaves a part of it.
    fn end_of(&self, path: &Path) -> io::Result<(File, u64)> {
        let file = self.disk.open_or_create(path)?;
        let length = file.length()?;
        if length == 0 {
            self.disk.sync_directory(&self.directory)?;
            return Ok((file, 0));
        }

        let from = length.saturating_sub(LINE_MAX);
        let mut end = vec![0; usize::try_from(length - from).unwrap_or(0)];
        file.read_exact_at(&mut end, from)?;
        let last = end.iter().rposition(|byte| *byte == b'\n');
        let whole = last.map_or(from, |last| from + last as u64 + 1);
        if whole < length {
            file.set_length(whole)?;
        }
        Ok((file, whole))
    }

    fn rotate(&self, path: &Path) -> io::Result<()> {
        for number in (1..OLD_FILES).rev() {
            let (from, to) = (self.old(number), self.old(number + 1));
            match self.disk.rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.disk.rename(path, &self.old(1))
    }

    /// A failure is no act's: the next keeps it.
    fn keep_room(&self) {
        let path = self.path(ROOM_FILE);
        let kept = self.disk.stat(&path).is_ok_and(|room| room.len() >= ROOM);
        let make = || self.disk.create(&path)?.allocate(ROOM);
        if !kept && make().is_err() {
            let _ = self.disk.remove(&path);
        }
    }

    fn give_up_room(&self) -> bool {
        self.disk.remove(&self.path(ROOM_FILE)).is_ok()
    }

    fn old(&self, number: usize) -> PathBuf {
        self.path(&format!("audit.jsonl.{number}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// More than a request of 64 KiB makes of itself in a line.
const LINE_MAX: u64 = 1 << 20;
const ROOM_FILE: &str = "audit.room";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::Call;
    use serde_json::json;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn caller() -> Caller {
        Caller {
            who: "local".to_owned(),
            from: IpAddr::from([127, 0, 0, 1]),
        }
    }

    fn act(details: Value) -> Act {
        Act {
            what: "aside.drop",
            how_many: Some(3),
            details,
        }
    }

    fn lines(directory: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_says_when_who_from_where_what_and_how_many() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(&Disk::default(), directory.path());
        audit
            .note(&caller(), &act(json!({"device": "gate"})))
            .unwrap();

        let mut line = lines(directory.path()).remove(0);
        let at = line.as_object_mut().unwrap().remove("at").unwrap();
        assert!(at.as_str().unwrap().parse::<Timestamp>().is_ok(), "{at}");
        let expected = json!({"who": "local", "from": "127.0.0.1", "what": "aside.drop", "how_many": 3, "details": {"device": "gate"}});
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(&Disk::default(), directory.path());
        audit.note(&caller(), &act(json!(1))).unwrap();
        let path = directory.path().join("audit.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{{}", "\"at".repeat(200))).unwrap();

        audit.note(&caller(), &act(json!(2))).unwrap();
        let details: Vec<_> = lines(directory.path())
            .iter()
            .map(|line| line["details"].clone())
            .collect();
        assert_eq!(details, [json!(1), json!(2)]);
    }

    #[test]
    fn four_files_of_16_mib_are_kept_and_the_newest_line_is_always_in_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(&Disk::default(), directory.path());
        let full = vec![b'\n'; usize::try_from(FILE_MAX).unwrap()];
        for number in 0..6 {
            audit.note(&caller(), &act(json!(number))).unwrap();
            assert_eq!(
                lines(directory.path()).last().unwrap()["details"],
                json!(number)
            );
            std::fs::write(directory.path().join("audit.jsonl"), &full).unwrap();
        }
        let names = std::fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "audit.jsonl",
                "audit.jsonl.1",
                "audit.jsonl.2",
                "audit.jsonl.3",
                "audit.room"
            ]
        );
    }

    #[test]
    fn on_a_full_disk_the_room_that_was_kept_is_used_and_then_the_act_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (full, room) = (
            Arc::new(AtomicBool::new(false)),
            directory.path().join(ROOM_FILE),
        );
        let (is_full, room_of_disk) = (Arc::clone(&full), room.clone());
        let disk = Disk::failing(move |call, _| {
            let takes_room = matches!(call, Call::Write | Call::Create | Call::Allocate);
            match takes_room && is_full.load(Ordering::Relaxed) && room_of_disk.exists() {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        });
        let audit = Audit::open(&disk, directory.path());
        assert!(room.exists());
        full.store(true, Ordering::Relaxed);
        audit.note(&caller(), &act(json!(1))).unwrap();
        assert_eq!(lines(directory.path()).len(), 1, "it fits into the room");

        let disk = Disk::failing(|call, _| match call {
            Call::Write | Call::Allocate => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        });
        let audit = Audit::open(&disk, directory.path());
        let refused = audit.note(&caller(), &act(json!(2))).unwrap_err();
        assert!(crate::system::disk::is_full(&refused), "{refused}");
        assert_eq!(lines(directory.path()).len(), 1, "nothing of it is left");
    }
}
