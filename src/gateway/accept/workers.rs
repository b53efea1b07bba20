//! Work on bodies, off the threads that accept and answer: in turn by source, on as many threads as there are cores, or as a disk can use.
//!
//! Promises: a source that sends costly bodies makes others wait for one of them at most, not for all. If nothing waits, work begins at
//! once; short work then stays on its thread, for one body of a source at a time. Deliberately interrupts nothing: the cost of one body is bounded before.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::system::fault;
use boxbridge_event::{FairQueue, ShareKey};

type Job = Box<dyn FnOnce() + Send>;

pub struct Workers {
    workers_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    workers: usize,
    jobs: FairQueue<Job>,
    /// Whose short work is being done on the thread that it came on: one of each, no more than there are workers.
    at_work: Vec<ShareKey>,
}

impl Workers {
    pub fn new(workers_max: usize) -> Arc<Workers> {
        Arc::new(Workers {
            workers_max,
            waiting: Mutex::default(),
        })
    }

    /// As many workers as there are cores, two at least: one costly body must not be all there is.
    pub fn of_this_machine() -> Arc<Workers> {
        Workers::new(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
    }

    /// For what waits for the disk: so many at once share its syncs, and leave the process's threads to others.
    pub fn of_the_disk() -> Arc<Workers> {
        Workers::new(16)
    }

    /// The same for work that costs less than handing it to another thread and back: where nothing waits, it is done at once, on this
    /// thread. What comes meanwhile from the same source waits for its turn, so that a source with many connections has one of these threads.
    pub async fn run_short<T: Send + 'static>(
        self: &Arc<Workers>,
        source: ShareKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if !self.begin_here(source) {
            return self.run(source, work).await;
        }

        let done = fault::in_one_go(work);
        self.leave(source);
        done.ok()
    }

    /// Does `work` when it is its source's turn; `None` if it panicked.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Workers>,
        source: ShareKey,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || drop(done.send(work())));

        let is_short_of_workers = {
            let mut waiting = self.waiting();
            waiting.jobs.push(source, job);
            let is_short = waiting.workers < self.workers_max;
            waiting.workers += usize::from(is_short);
            is_short
        };
        if is_short_of_workers {
            let workers = Arc::clone(self);
            tokio::task::spawn_blocking(move || workers.work());
        }

        result.await.ok()
    }

    /// One worker: does what waits, and ends when nothing does.
    fn work(self: Arc<Workers>) {
        let worker = Worker(&self);
        while let Some(job) = worker.next() {
            // A panic is one job's: its sender learns of it by its channel, and the hook has logged it.
            let _ = fault::in_one_go(job);
        }
    }

    fn begin_here(&self, source: ShareKey) -> bool {
        let mut waiting = self.waiting();
        let is_free = waiting.workers < self.workers_max
            && waiting.jobs.is_empty()
            && !waiting.at_work.contains(&source);
        if is_free {
            waiting.workers += 1;
            waiting.at_work.push(source);
        }
        is_free
    }

    /// What came meanwhile is done by another thread.
    fn leave(self: &Arc<Workers>, source: ShareKey) {
        let mut waiting = self.waiting();
        waiting.at_work.retain(|other| *other != source);
        if waiting.jobs.is_empty() {
            waiting.workers -= 1;
        } else {
            let workers = Arc::clone(self);
            tokio::task::spawn_blocking(move || workers.work());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

/// One of the running workers, counted.
struct Worker<'a>(&'a Workers);

impl Worker<'_> {
    /// The next job. If there is none, the worker leaves the count in the same moment, so a new job starts a new one.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.0.waiting();
        let job = waiting.jobs.pop();
        if job.is_none() {
            waiting.workers -= 1;
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_source_has_its_turn_however_much_another_has_waiting() {
        let [first, greedy, other] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(ShareKey::of_peer);
        let workers = Workers::new(1);
        let done = Arc::new(Mutex::new(Vec::new()));
        let (go, wait) = std::sync::mpsc::sync_channel::<()>(0);

        let mut all = vec![tokio::spawn({
            let workers = Arc::clone(&workers);
            async move {
                workers
                    .run(first, move || wait.recv().is_ok())
                    .await
                    .is_some()
            }
        })];
        while workers.waiting().workers == 0 || !workers.waiting().jobs.is_empty() {
            tokio::task::yield_now().await;
        }

        for (number, source) in [greedy, greedy, greedy, other].into_iter().enumerate() {
            let (of_task, done) = (Arc::clone(&workers), Arc::clone(&done));
            all.push(tokio::spawn(async move {
                of_task
                    .run(source, move || done.lock().push(source))
                    .await
                    .is_some()
            }));
            while workers.waiting().jobs.len() <= number {
                tokio::task::yield_now().await;
            }
        }

        drop(go);
        for task in all {
            assert!(task.await.unwrap());
        }
        assert_eq!(*done.lock(), [greedy, other, greedy, greedy]);
    }

    #[tokio::test]
    async fn short_work_of_another_source_stays_on_its_thread_and_more_of_the_same_does_not() {
        let [greedy, other] = ["10.0.0.1", "10.0.0.2"].map(ShareKey::of_peer);
        let workers = Workers::new(2);
        let this = std::thread::current().id();
        let here = move || std::thread::current().id() == this;

        let within = Arc::clone(&workers);
        let while_it_works = workers.run_short(greedy, move || {
            let begins = |source| {
                let begins = within.begin_here(source);
                begins.then(|| within.leave(source)).is_some()
            };
            [begins(greedy), begins(other)]
        });
        assert_eq!(while_it_works.await, Some([false, true]));
        assert_eq!(workers.run_short(greedy, here).await, Some(true));
    }

    #[tokio::test]
    async fn short_work_stays_on_its_thread_where_nobody_works_and_leaves_none_waiting() {
        let (workers, source) = (Workers::new(1), ShareKey::of_peer("10.0.0.1"));
        let this = std::thread::current().id();
        let here = move || std::thread::current().id() == this;
        assert_eq!(workers.run_short(source, here).await, Some(true));

        // What is handed over while it works is done by another thread, once it is through.
        let inner = Arc::clone(&workers);
        let handed_over = workers.run_short(source, move || {
            let mut later = Box::pin(async move { inner.run_short(source, here).await });
            let waker = std::task::Waker::noop();
            let mut context = std::task::Context::from_waker(waker);
            assert!(later.as_mut().poll(&mut context).is_pending());
            later
        });
        let later = handed_over.await.unwrap();
        assert_eq!(later.await, Some(false));
        while workers.waiting().workers > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            workers
                .run_short(source, || -> u8 { panic!("as if") })
                .await,
            None
        );
        assert_eq!(workers.run_short(source, here).await, Some(true));
    }

    #[tokio::test]
    async fn work_that_panics_is_one_source_s_and_the_worker_goes_on() {
        let (workers, source) = (Workers::new(1), ShareKey::of_peer("10.0.0.1"));
        assert_eq!(
            workers.run(source, || -> u8 { panic!("as if") }).await,
            None
        );
        assert_eq!(workers.run(source, || 1).await, Some(1));
    }
}
