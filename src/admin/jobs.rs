//! UnderWay on many records that somebody asked for: one at a time among replays, resends and resubmissions.
//!
//! Promises: a second one is refused with the name of the first; it can always be cancelled; how far it is, is told at any time, and for
//! the last few that ended, how they ended. Deliberately does no work itself, and remembers nothing beyond the process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use boxbridge_event::Timestamp;

/// Jobs that ended, told to who looks later.
const ENDED_MAX: usize = 10;

#[derive(Default)]
pub struct Jobs(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    running: Option<Arc<UnderWay>>,
    /// The newest first.
    ended: VecDeque<JobReport>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Replay,
    Resend,
    Resubmit,
}

impl JobKind {
    fn as_str(self) -> &'static str {
        match self {
            JobKind::Replay => "replay",
            JobKind::Resend => "resend",
            JobKind::Resubmit => "resubmit",
        }
    }

    /// The command that ends it.
    fn cancelled_by(self) -> &'static str {
        match self {
            JobKind::Replay => "boxbridge queue replays --cancel",
            JobKind::Resend => "boxbridge aside resend --cancel",
            JobKind::Resubmit => "boxbridge quarantine resubmit --cancel",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Running,
    /// It was told to end, and has not yet.
    Cancelling,
    Done,
    Cancelled,
    /// It ended without a word: a fault of ours.
    BrokeOff,
}

/// A job as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// Its kind and eight hex digits.
    pub id: String,
    pub kind: JobKind,
    /// What was asked for.
    pub asked: Value,
    pub started_at: Timestamp,
    pub state: JobState,
    pub done: u64,
    /// Of so many, as far as they were counted at its start.
    pub total: u64,
    pub per_second: f64,
    /// What became of it; null until it ends.
    pub counts: Value,
}

/// Another job is under way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{id} is under way: wait for it, or end it: {} {id}", kind.cancelled_by())]
pub struct JobRunning {
    pub id: String,
    pub kind: JobKind,
}

/// The right to do it. Dropped without [`Job::end`], it has broken off.
pub struct Job {
    job: Arc<UnderWay>,
    state: Arc<Mutex<State>>,
}

struct UnderWay {
    id: String,
    kind: JobKind,
    asked: Value,
    started_at: Timestamp,
    started: Instant,
    done: AtomicU64,
    total: AtomicU64,
    cancelled: CancellationToken,
}

impl Jobs {
    pub fn begin(&self, kind: JobKind, asked: Value) -> Result<Job, JobRunning> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let id: String = id.chars().take(8).collect();
        self.take_up(kind, format!("{}-{id}", kind.as_str()), asked)
    }

    /// The same for one that has its name from before.
    pub fn take_up(&self, kind: JobKind, id: String, asked: Value) -> Result<Job, JobRunning> {
        let mut state = self.0.lock();
        if let Some(running) = &state.running {
            let (id, kind) = (running.id.clone(), running.kind);
            return Err(JobRunning { id, kind });
        }

        let job = Arc::new(UnderWay {
            id,
            kind,
            asked,
            started_at: Timestamp::now(),
            started: Instant::now(),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            cancelled: CancellationToken::new(),
        });
        state.running = Some(Arc::clone(&job));
        Ok(Job {
            job,
            state: Arc::clone(&self.0),
        })
    }

    /// The one under way, then those that ended, the newest first.
    pub fn reports(&self) -> Vec<JobReport> {
        let state = self.0.lock();
        let running = state.running.as_deref().map(UnderWay::report);
        running.into_iter().chain(state.ended.clone()).collect()
    }

    /// Tells it to end; false where no job of this name is under way.
    pub fn cancel(&self, id: &str) -> bool {
        let state = self.0.lock();
        let running = state.running.as_ref().filter(|job| job.id == id);
        running.inspect(|job| job.cancelled.cancel()).is_some()
    }
}

impl Job {
    pub fn id(&self) -> &str {
        &self.job.id
    }

    pub fn progress(&self, done: u64, total: u64) {
        self.job.done.store(done, Ordering::Relaxed);
        self.job.total.store(total, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.job.cancelled.is_cancelled()
    }

    /// Resolves when it is to end.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.job.cancelled.clone().cancelled_owned()
    }

    /// It is over, done or cancelled; what became of it.
    pub fn end(self, counts: Value) {
        let end = match self.is_cancelled() {
            true => JobState::Cancelled,
            false => JobState::Done,
        };
        self.ended(end, counts);
    }

    fn ended(&self, end: JobState, counts: Value) {
        let mut state = self.state.lock();
        let is_it = |job: &Arc<UnderWay>| Arc::ptr_eq(job, &self.job);
        if !state.running.as_ref().is_some_and(is_it) {
            return;
        }

        state.running = None;
        state.ended.truncate(ENDED_MAX - 1);
        state.ended.push_front(JobReport {
            state: end,
            counts,
            ..self.job.report()
        });
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.ended(JobState::BrokeOff, Value::Null);
    }
}

impl UnderWay {
    fn report(&self) -> JobReport {
        let done = self.done.load(Ordering::Relaxed);
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let state = match self.cancelled.is_cancelled() {
            true => JobState::Cancelling,
            false => JobState::Running,
        };
        JobReport {
            id: self.id.clone(),
            kind: self.kind,
            asked: self.asked.clone(),
            started_at: self.started_at,
            state,
            done,
            total: self.total.load(Ordering::Relaxed),
            per_second: done as f64 / seconds,
            counts: Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_job_at_a_time_and_the_second_is_told_the_name_of_the_first() {
        let jobs = Jobs::default();
        let first = jobs
            .begin(JobKind::Replay, json!({"from": "14:00"}))
            .unwrap();
        let refused = jobs.begin(JobKind::Resend, json!({})).err().unwrap();
        assert_eq!(refused.id, first.id());
        assert!(refused.to_string().contains(first.id()), "{refused}");

        first.progress(3, 4);
        let report = jobs.reports().remove(0);
        assert_eq!(
            (report.state, report.done, report.total),
            (JobState::Running, 3, 4)
        );
        first.end(json!({"sent": 4}));
        assert!(jobs.begin(JobKind::Resend, json!({})).is_ok());
    }

    #[test]
    fn how_a_job_ended_is_told_afterwards() {
        let jobs = Jobs::default();
        jobs.begin(JobKind::Replay, json!(1))
            .unwrap()
            .end(json!({"sent": 1}));

        let cancelled = jobs.begin(JobKind::Resubmit, json!(2)).unwrap();
        assert!(!jobs.cancel("resend-00000000"), "another one");
        assert!(jobs.cancel(cancelled.id()) && cancelled.is_cancelled());
        assert_eq!(jobs.reports()[0].state, JobState::Cancelling);
        cancelled.end(json!({"sent": 0}));

        drop(jobs.begin(JobKind::Resend, json!(3)).unwrap());
        let states: Vec<_> = jobs.reports().iter().map(|report| report.state).collect();
        assert_eq!(
            states,
            [JobState::BrokeOff, JobState::Cancelled, JobState::Done]
        );
        for _ in 0..20 {
            drop(jobs.begin(JobKind::Resend, json!(4)).unwrap());
        }
        assert_eq!(jobs.reports().len(), ENDED_MAX);
    }
}
