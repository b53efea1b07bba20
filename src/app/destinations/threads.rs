//! The threads that deliver, and do nothing else.
//!
//! Promises: a broker's answer wakes a thread that is about to deliver anyway, and none of those that read
//! bodies: at low rates, hand-overs between threads are most of what an event costs. No backlog stands before
//! an alert: the urgent lane has a thread of its own. Deliberately knows nothing of what runs there.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

use boxbridge_event::Lane;

/// For all destinations.
pub(in crate::app) struct LaneThreads {
    urgent: Threads,
    normal: Threads,
}

impl LaneThreads {
    pub fn start() -> io::Result<LaneThreads> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(LaneThreads {
            urgent: Threads::start("deliver-urgent", 1)?,
            // The other cores read bodies.
            normal: Threads::start("deliver-normal", (cores / 2).max(1))?,
        })
    }

    /// Where this lane is delivered.
    pub fn of(&self, lane: Lane) -> &Handle {
        match lane {
            Lane::Urgent => &self.urgent.handle,
            Lane::Normal => &self.normal.handle,
        }
    }
}

struct Threads {
    /// Taken when they end.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Threads {
    fn start(name: &str, count: usize) -> io::Result<Threads> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name(name)
            .enable_all()
            .build()?;
        Ok(Threads {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for Threads {
    /// Waits for nothing: a thread that still blocks has nothing to lose.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_delivered_while_all_that_delivers_the_other_lane_is_busy() {
        let threads = LaneThreads::start().unwrap();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut ends = Vec::new();
        for _ in 0..cores {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            ends.push(end);
            threads.of(Lane::Normal).spawn(async move {
                let _ = ended.recv();
            });
        }

        let alert = threads.of(Lane::Urgent).spawn(async {});
        threads.of(Lane::Urgent).block_on(alert).unwrap();
        drop(ends);
    }
}
