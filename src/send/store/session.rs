//! One lane's uploads: many at once, one answer per record.
//!
//! Promises: a record is answered when all its pictures are settled; at most `concurrency` uploads are on their way. The lanes do
//! not share that number, so an urgent picture waits behind no backlog.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::batch::Batch;
use super::shared::{Outcome, Shared};
use crate::metrics;
use crate::send::window::Limits;
use crate::send::{Answer, Lost, Reason, Rejection};
use crate::system::fault::Fault;
use boxbridge_event::{Object, PictureKind, PictureVerdict, Sequence};

/// One lane's uploads; dropping it ends those on their way.
pub struct Session {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    uploads: JoinSet<(Sequence, Put)>,
    records: HashMap<Sequence, Record>,
    /// Answers that are waiting to be asked for.
    ready: VecDeque<Answer>,
    /// Of the disk, where pictures are synced in batches.
    failures: Option<watch::Receiver<Option<String>>>,
}

/// What became of pictures that were put in one go.
type Put = Result<Vec<(PictureKind, Outcome)>, String>;

/// A record that has no answer yet.
#[derive(Default)]
struct Record {
    /// Uploads that have not ended.
    left: usize,
    verdict: PictureVerdict,
    refusals: Vec<String>,
    /// Why a picture of it was not taken now.
    not_now: Option<String>,
}

/// Records that a window holds for each upload at once: the next are at hand when one ends.
const RECORDS_PER_UPLOAD: usize = 4;

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Session {
        let permits = Arc::new(Semaphore::new(shared.concurrency));
        let failures = shared.batch().map(Batch::failures);
        Session {
            shared,
            permits,
            uploads: JoinSet::new(),
            records: HashMap::new(),
            ready: VecDeque::new(),
            failures,
        }
    }

    fn upload(&mut self, sequence: Sequence, objects: Vec<Object>) {
        let (shared, permits) = (Arc::clone(&self.shared), Arc::clone(&self.permits));
        self.uploads.spawn(async move {
            let _permit = permits.acquire().await;
            (sequence, shared.put(objects).await)
        });
    }

    /// What the disk said of a sync that failed since this session began: what was stored in it may be lost.
    fn failed_sync(&self) -> Option<String> {
        let failures = self.failures.as_ref()?;
        let has_failed = failures.has_changed().unwrap_or(false);
        let error = has_failed.then(|| failures.borrow().clone()).flatten()?;
        Some(format!("store: the disk failed a sync: {error}"))
    }

    fn settle(&mut self, sequence: Sequence, outcomes: Vec<(PictureKind, Outcome)>) {
        let Some(record) = self.records.get_mut(&sequence) else {
            return;
        };
        record.left = record.left.saturating_sub(1);
        for (kind, outcome) in outcomes {
            record.note(kind, outcome);
        }

        if record.left == 0
            && let Some(record) = self.records.remove(&sequence)
        {
            self.ready.push_back(record.into_answer(sequence));
        }
    }
}

impl Record {
    fn note(&mut self, kind: PictureKind, outcome: Outcome) {
        match outcome {
            Outcome::Stored => {}
            Outcome::Full => self.verdict.not_stored.insert(kind),
            Outcome::Refused(detail) => {
                self.verdict.missing.insert(kind);
                self.refusals.push(format!("{kind}: {detail}"));
            }
            Outcome::NotNow(detail) => self.not_now = Some(format!("{kind}: {detail}")),
        }
    }

    fn into_answer(self, sequence: Sequence) -> Answer {
        if let Some(detail) = self.not_now {
            // All of it comes again; what is stored by then is known.
            let rejection = Rejection {
                reason: Reason::Passing,
                detail,
                verdict: PictureVerdict::default(),
            };
            return Answer::Rejected {
                sequence,
                rejection,
            };
        }

        let verdict = self.verdict;
        if !verdict.missing.is_empty() {
            let rejection = Rejection {
                reason: Reason::Missing,
                detail: self.refusals.join("; "),
                verdict,
            };
            return Answer::Rejected {
                sequence,
                rejection,
            };
        }
        if !verdict.not_stored.is_empty() {
            return Answer::Expired {
                sequence,
                rule: "max_bytes",
                verdict,
            };
        }
        Answer::Acknowledged {
            sequence,
            heard: true,
        }
    }
}

impl crate::send::Session for Session {
    type Message = Vec<Object>;

    fn window(&self) -> Limits {
        Limits {
            records: self.shared.concurrency * RECORDS_PER_UPLOAD,
            bytes: usize::MAX,
        }
    }

    fn submit(&mut self, sequence: Sequence, objects: Vec<Object>) {
        let (stored, wanted): (Vec<_>, Vec<_>) = objects
            .into_iter()
            .partition(|object| self.shared.known.is_stored(object.kind, &object.key));
        metrics::pictures_saved(stored.iter().map(|object| object.bytes.len() as u64).sum());

        if wanted.is_empty() {
            let answer = Record::default().into_answer(sequence);
            return self.ready.push_back(answer);
        }

        let uploads = self.shared.uploads(wanted);
        let record = Record {
            left: uploads.len(),
            ..Record::default()
        };
        self.records.insert(sequence, record);
        for objects in uploads {
            self.upload(sequence, objects);
        }
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        loop {
            if let Some(error) = self.failed_sync() {
                return Err(Lost::unexplained(error));
            }
            if let Some(answer) = self.ready.pop_front() {
                return Ok(answer);
            }

            let ended = tokio::select! {
                () = another(&mut self.failures) => continue,
                ended = self.uploads.join_next() => ended,
            };
            match ended {
                Some(Ok((sequence, Ok(outcomes)))) => self.settle(sequence, outcomes),
                Some(Ok((_, Err(error)))) => return Err(Lost::unexplained(error)),
                Some(Err(_)) => {
                    return Err(Lost::unexplained(format!(
                        "store: an upload ended early: {Fault}"
                    )));
                }
                // Nothing is on its way, and nothing will be until the next submit.
                None => another(&mut self.failures).await,
            }
        }
    }
}

/// Waits for the next failed sync, which stays to be seen.
async fn another(failures: &mut Option<watch::Receiver<Option<String>>>) {
    let Some(failures) = failures else {
        return std::future::pending().await;
    };
    if failures.changed().await.is_err() {
        return std::future::pending().await;
    }
    failures.mark_changed();
}
