//! The machine and its disk: figures of another one are others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const FILE_BYTES: u64 = 256 << 20;
/// As large as the gateway's largest group.
const WRITE_BYTES: usize = 4 << 20;

/// What stands at the head of the results. `disk_mb_per_second` is what the disk takes of synced writes, one behind the other.
pub fn describe(base: &Path, disk_for: Duration) -> io::Result<Value> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };

    Ok(json!({
        "cpu": model,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").trim(),
        "commit": commit(),
        "bench_profile": profile,
        "disk_mb_per_second": disk_rate(base, disk_for)?,
    }))
}

/// Of a file that has been written before, in megabytes a second.
fn disk_rate(base: &Path, duration: Duration) -> io::Result<f64> {
    let file: File = tempfile::tempfile_in(base)?;
    let bytes = vec![7; WRITE_BYTES];
    let offsets = (0..FILE_BYTES).step_by(WRITE_BYTES);
    for offset in offsets.clone() {
        file.write_all_at(&bytes, offset)?;
    }
    file.sync_all()?;

    let begin = Instant::now();
    let mut written = 0;
    for offset in offsets.cycle() {
        file.write_all_at(&bytes, offset)?;
        file.sync_data()?;
        written += WRITE_BYTES;
        if begin.elapsed() > duration {
            break;
        }
    }
    Ok(written as f64 / 1e6 / begin.elapsed().as_secs_f64())
}

/// Where the sources stand, if this is a clone; `-dirty` where they differ from it.
fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude", "*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
