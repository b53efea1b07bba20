//! The progress of a run in one line; everything else about a run is in its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::terminal::Terminal;

/// What all boxes count together.
#[derive(Debug, Default)]
pub struct Tally {
    pub requests: AtomicU64,
    pub acknowledged: AtomicU64,
}

const WIDTH: usize = 30;

/// Draws until `done`.
pub async fn draw(terminal: Terminal, tally: Arc<Tally>, requests: u64, done: CancellationToken) {
    let started = Instant::now();
    let progress = move || {
        let answered = tally.requests.load(Ordering::Relaxed);
        let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
        let rate = answered as f64 / started.elapsed().as_secs_f64().max(0.001);
        let bar = bar(answered, requests);
        format!("{bar} {answered}/{requests}  {rate:.0}/s  acknowledged {acknowledged}")
    };
    terminal.draw(done, progress).await;
}

fn bar(done: u64, all: u64) -> String {
    let full = (WIDTH as u64 * done.min(all) / all.max(1)) as usize;
    format!("[{}{}]", "█".repeat(full), "·".repeat(WIDTH - full))
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
