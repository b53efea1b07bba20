//! The progress bar of a run, on a terminal only; everything else about a run is in its outcome.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Whether the bar is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    Drawn,
    Hidden,
}

/// What all boxes count together.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: AtomicU64,
    pub acknowledged: AtomicU64,
}

const REDRAW_EVERY: Duration = Duration::from_millis(200);
const WIDTH: usize = 30;

/// Redraws until `done`, then wipes the line.
pub async fn draw(tally: Arc<Tally>, requests: u64, done: CancellationToken) {
    let started = tokio::time::Instant::now();
    let mut redraw = tokio::time::interval(REDRAW_EVERY);
    while done.run_until_cancelled(redraw.tick()).await.is_some() {
        let answered = tally.requests.load(Ordering::Relaxed);
        let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
        let rate = answered as f64 / started.elapsed().as_secs_f64().max(0.001);
        show(&format!(
            "{} {answered}/{requests}  {rate:.0}/s  acknowledged {acknowledged}",
            bar(answered, requests)
        ));
    }
    show("");
}

fn bar(done: u64, all: u64) -> String {
    let full = (WIDTH as u64 * done.min(all) / all.max(1)) as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(WIDTH - full))
}

/// One line over the last one. A terminal that is gone is no reason to stop measuring.
fn show(line: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_empty_at_the_start_and_full_at_the_end() {
        assert_eq!(bar(0, 10).matches('█').count(), 0);
        assert_eq!(bar(10, 10).matches('█').count(), WIDTH);
        assert_eq!(bar(0, 0).chars().count(), WIDTH + 2);
    }
}
