//! A bound on the memory of a process as a container has it: page cache and the kernel's buffers count too.
//!
//! Deliberately only where this process may make one below its own; elsewhere there is none, and its user says so.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Cgroup {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    fn limit(self) -> &'static str {
        match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        }
    }

    fn peak(self) -> &'static str {
        match self {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        }
    }
}

impl Cgroup {
    /// One whose processes together hold so much, and are ended by the kernel if they ask for more.
    pub fn with_memory(bytes: u64) -> Option<Cgroup> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (own, version) = own()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = own.join(format!("boxbridge-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;

        let cgroup = Cgroup { folder, version };
        let limit = cgroup.folder.join(version.limit());
        std::fs::write(limit, bytes.to_string()).ok()?;
        Some(cgroup)
    }

    /// A process that writes its id there is in it.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    pub fn peak_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(self.folder.join(self.version.peak()));
        text.unwrap_or_default().trim().parse().unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// The folder of the cgroup that we are in: `number:controllers:path`.
fn own() -> Option<(PathBuf, Version)> {
    let lines = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let lines = lines.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        line.split_once(':')
    });
    let found = lines.filter_map(|(controllers, path)| {
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some((Path::new("/sys/fs/cgroup").join(path), Version::Two)),
            "memory" => Some((Path::new("/sys/fs/cgroup/memory").join(path), Version::One)),
            _ => None,
        }
    });
    let mut bounded = found.filter(|(folder, version)| folder.join(version.limit()).exists());
    bounded.next()
}
