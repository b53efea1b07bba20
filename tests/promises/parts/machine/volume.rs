//! A file system of its own that holds few files, or little: a tmpfs in the namespace of a child, reached through /proc.
//!
//! Needs no root: a user namespace may mount one. It is gone with the child.

use std::path::PathBuf;
use std::process::Command;

use crate::parts::child::{Child, PATIENCE};

pub struct Volume {
    child: Child,
    _log: tempfile::TempDir,
}

impl Volume {
    pub fn with_inodes(inodes: u64) -> Volume {
        Volume::of(&format!("nr_inodes={inodes},size=256m"))
    }

    pub fn with_size(mib: u64) -> Volume {
        Volume::of(&format!("size={mib}m"))
    }

    fn of(options: &str) -> Volume {
        let log = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        let script = format!(
            "mount -t tmpfs -o {options},mode=700 tmpfs /mnt && touch /mnt/mounted && exec sleep 600"
        );
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);

        let child = Child::start(&command, &log.path().join("log"));
        let mut volume = Volume { child, _log: log };
        let mounted = volume.path().join("mounted");
        volume
            .child
            .wait_until("a small file system", PATIENCE, || mounted.exists());
        std::fs::remove_file(mounted).unwrap();
        volume
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/mnt", self.child.id()))
    }
}
