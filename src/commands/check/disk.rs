//! How fast the disk below `data_dir` syncs: every answer waits for that.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many syncs are timed, each with the bytes of a usual event.
const SYNCS: usize = 50;
const SYNC_BYTES: usize = 200 * 1024;
/// A box waits 500 ms: a disk with one sync this slow among fifty leaves no time for anything else.
const SLOW_SYNC: Duration = Duration::from_millis(250);

/// Times a write of one event and its sync in the data directory.
pub fn timed(data_dir: &Path) -> Result<String, String> {
    let path = data_dir.join("check.unfinished");
    let times = sync_times(&path);
    let _ = std::fs::remove_file(&path);

    let times = times.map_err(|error| format!("{}: {error}", data_dir.display()))?;
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    let said = format!(
        "a sync of {} KiB takes {:.1} ms, the slowest of {SYNCS} {:.1} ms",
        SYNC_BYTES / 1024,
        ms(median),
        ms(slowest)
    );
    if slowest > SLOW_SYNC {
        Err(format!("{said}: a box hangs up after 500 ms"))
    } else {
        Ok(said)
    }
}

/// Rising.
fn sync_times(path: &Path) -> io::Result<Vec<Duration>> {
    if let Some(data_dir) = path.parent() {
        std::fs::create_dir_all(data_dir)?;
    }
    let mut file = std::fs::File::create(path)?;
    let bytes = vec![0x5a; SYNC_BYTES];

    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
