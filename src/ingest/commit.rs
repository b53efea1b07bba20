//! Commits a body that has arrived, and answers in time.
//!
//! Promises: the work is a task of its own, so it ends whether or not the client still waits. If the work takes longer than
//! `answer_deadline`, the answer is 503 and the event is committed all the same.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::response::Response;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::answer::{self, Connection};
use super::body_memory::BodyMemory;
use super::handler::RequestHead;
use super::path::Path;
use super::service::Service;
use super::{Accept, Ended, Received};
use crate::metrics::{self, Outcome};
use crate::system::fault;
use boxbridge_event::{Code, Refusal, Reply, Source};

/// A body that has arrived, with its request and the memory it holds.
pub(super) struct Upload {
    pub request: RequestHead,
    pub source: Source,
    /// Why it cannot be accepted, if that is known before anybody parses it.
    pub refused: Option<Refusal>,
    pub body: Received,
    pub memory: BodyMemory,
}

/// Starts the work and waits for it, up to the deadline. `is_early`: the body ended before its declared length.
pub(super) async fn commit<A: Accept>(
    service: &Arc<Service<A>>,
    upload: Upload,
    is_early: bool,
) -> Response {
    let activity = upload.request.peer.activity.clone();
    let memory = upload.memory.clone();
    let deadline = upload.request.settings.answer_deadline;
    let may_be_short = upload.body.may_be_short;
    let first_come = Arc::new(FirstCome::default());
    let (begun, has_begun) = oneshot::channel();
    let work = work_in_turn(Arc::clone(service), upload, Arc::clone(&first_come), begun);
    // In a box: a task is moved a dozen times on its way, and this one is large.
    let task = service.commits.spawn(Box::pin(work));

    let _ = has_begun.await;
    let arrived = Instant::now();
    activity.hold_until_written(Box::new(memory));

    let Some(reply) = reply_in_time(task, deadline, &first_come).await else {
        metrics::answered(Outcome::Refused, arrived.elapsed());
        let message = "not on disk in time: it is still being written";
        let late = Refusal::new(Code::AnswerLate, message);
        return answer::refusal(&late, closed_if(is_early || may_be_short));
    };

    // The bytes after a body that was cut short are the rest of it, and no request.
    let is_cut = may_be_short && refused(&reply).is_some_and(|refusal| !refusal.code.is_pressure());
    let connection = closed_if(is_early || is_cut);
    let (outcome, response) = match reply {
        Ok(reply) => (outcome(&reply), answer::reply(reply, connection)),
        Err(refusal) => (Outcome::Refused, answer::refusal(&refusal, connection)),
    };
    metrics::answered(outcome, arrived.elapsed());
    response
}

/// The reply of the work; `None` if the deadline passes first.
async fn reply_in_time(
    mut task: JoinHandle<Result<Reply, Refusal>>,
    deadline: Duration,
    first_come: &FirstCome,
) -> Option<Result<Reply, Refusal>> {
    let reply = match tokio::time::timeout(deadline, &mut task).await {
        Ok(reply) => reply,
        Err(_) if first_come.is_first() => return None,
        Err(_) => task.await,
    };

    let message = "the work on this body ended early";
    Some(reply.unwrap_or_else(|_| Err(Refusal::new(Code::Fault, message))))
}

/// Decides who answers: the work that ends in time, or the deadline that passes first.
#[derive(Default)]
struct FirstCome(AtomicBool);

impl FirstCome {
    /// True for the first caller alone.
    fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

fn closed_if(is_last: bool) -> Connection {
    if is_last {
        Connection::Close
    } else {
        Connection::Keep
    }
}

/// Waits for the upload's turn, says on `begun` that the work begins, and works. A fault of ours becomes a refusal.
async fn work_in_turn<A: Accept>(
    service: Arc<Service<A>>,
    upload: Upload,
    first_come: Arc<FirstCome>,
    begun: oneshot::Sender<()>,
) -> Result<Reply, Refusal> {
    let _turn = match &upload.memory {
        BodyMemory::History(held) => held.turn().await,
        BodyMemory::Live(_) => None,
    };
    let _ = begun.send(());

    let feed = upload.request.feed();
    let reply = fault::caught(pin!(work(&service, upload))).await;
    let reply = reply.unwrap_or_else(|fault| {
        service.accept.count(feed, Ended::Refused(Code::Fault));
        Err(Refusal::new(Code::Fault, fault.to_string()))
    });

    if !first_come.is_first() {
        metrics::answered_late(accepted(&reply));
    }
    reply
}

async fn work<A: Accept>(service: &Service<A>, upload: Upload) -> Result<Reply, Refusal> {
    let Upload {
        request,
        source,
        refused: known,
        body,
        memory,
    } = upload;
    let reply = match (request.path, known) {
        (Some(Path::Status), _) => {
            service.accept.status_report(source, body.bytes).await;
            service.accept.count(request.feed(), Ended::StatusReport);
            Ok(Reply::Status)
        }
        (_, Some(refusal)) => service.accept.refuse(source, body.bytes, refusal).await,
        (_, None) => service.accept.accept(source, body, memory).await,
    };

    if let Ok(Reply::One(_) | Reply::Many(_)) = &reply {
        request.peer.has_sent();
    }
    if let Err(refusal) = &reply {
        let ended = Ended::Refused(refusal.code);
        service.accept.count(request.feed(), ended);
    }
    if let Some(refusal) = refused(&reply) {
        let (sender, path) = (request.sender, request.shown());
        service.refusals.say(sender, &path, refusal.code);
    }
    reply
}

fn refused(reply: &Result<Reply, Refusal>) -> Option<&Refusal> {
    match reply {
        Ok(Reply::Quarantined(refusal)) | Err(refusal) => Some(refusal),
        Ok(_) => None,
    }
}

fn outcome(reply: &Reply) -> Outcome {
    match reply {
        Reply::One(receipt) if receipt.is_duplicate => Outcome::Duplicate,
        Reply::Quarantined(_) => Outcome::Quarantined,
        Reply::One(_) | Reply::Many(_) | Reply::Status => Outcome::Accepted,
    }
}

/// How many new events a reply stands for.
fn accepted(reply: &Result<Reply, Refusal>) -> u64 {
    match reply {
        Ok(Reply::One(receipt)) => u64::from(!receipt.is_duplicate),
        Ok(Reply::Many(parts)) => parts
            .iter()
            .flatten()
            .filter(|receipt| !receipt.is_duplicate)
            .count() as u64,
        Ok(Reply::Quarantined(_) | Reply::Status) | Err(_) => 0,
    }
}
