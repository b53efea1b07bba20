//! `/api/quarantine`: bodies that were refused, to look at, to hand in again and to drop.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Endpoint, Operator, Parameter, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Asked, Body, Complaint, Named, off_the_runtime, ok, page};
use crate::admin::audit::Act;
use crate::admin::jobs::{Job, JobKind};
use crate::admin::kept::{KeptBodies, check_drop};
use crate::admin::openapi::shape;
use crate::gateway::Resubmitted;
use crate::gateway::kept::QuarantineFilter;
use boxbridge_event::Feed;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/quarantine", list)
            .parameters(filter())
            .summary("Bodies that were refused, the oldest first; some may be looked through in vain: then `next` goes on")
            .parameter("limit", "entries on a page, 1 to 1000 (100)", json!({"type": "integer"}))
            .parameter("after", "`next` of the page before", json!({"type": "string"}))
            .gives(json!({
                "bodies": shape::list(shape::named("QuarantinedBody")),
                "next": shape::text_or_null(),
                "kept": kept_schema(),
            }))
            .complains(400, "bad_query"),
        Endpoint::get("/quarantine/{id}", show)
            .summary("One of them: who sent it, why it was refused, its text with pictures as sizes, up to the fault and from there on")
            .parameter("id", "as in the list", json!({"type": "string"}))
            .gives_named("QuarantinedBodyWhole")
            .complains(404, "not_found"),
        Endpoint::post("/quarantine/resubmit", resubmit)
            .summary("Hands those that the filter means in again, as history; a job")
            .takes(json!({"filter": Parameter::object(filter()), "dry_run": {"type": "boolean"}}))
            .gives(json!({
                "job": shape::text(),
                "matching": shape::count(),
                "kept": kept_schema(),
            }))
            .gives_in_a_dry_run(json!({"matching": shape::count(), "kept": kept_schema()}))
            .complains(404, "not_found")
            .complains(409, "job_running"),
        Endpoint::post("/quarantine/drop", drop_all)
            .summary("Removes those that the filter means, for good")
            .takes(json!({
                "filter": Parameter::object(filter()),
                "all": {"type": "boolean", "description": "instead of a filter"},
                "dry_run": {"type": "boolean"},
            }))
            .gives(json!({
                "dropped": shape::count(),
                "before": kept_schema(),
                "after": kept_schema(),
            }))
            .gives_in_a_dry_run(json!({"matching": shape::count(), "kept": kept_schema()}))
            .complains(400, "bad_filter")
            .complains(404, "not_found"),
    ]
}

fn kept_schema() -> Value {
    let all = shape::object(json!({"bodies": shape::count(), "bytes": shape::count()}));
    shape::about(all, "all that there is")
}

fn filter() -> [Parameter; 6] {
    [
        Parameter::text("code", "why it was refused"),
        Parameter::text("peer", "the sender's address"),
        Parameter::word("feed", "the path that it came on", &Feed::ALL),
        Parameter::text(
            "from",
            "received at this time or later: 14:00, 2h ago, RFC 3339",
        ),
        Parameter::text("to", "received before this time"),
        Parameter::text("id", "this one alone"),
    ]
}

/// What stands behind the `?` of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    code: Option<String>,
    peer: Option<String>,
    feed: Option<Feed>,
    from: Option<String>,
    to: Option<String>,
    id: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToResubmit {
    #[serde(default)]
    filter: QuarantineFilter,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToDrop {
    #[serde(default)]
    filter: QuarantineFilter,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

async fn list(Ready(operator): Ready, Asked(wanted): Asked<Wanted>) -> Answer {
    let limit = page(wanted.limit)?;
    let time = |text: Option<String>| text.map(|text| super::time(&text)).transpose();
    let filter = QuarantineFilter {
        code: wanted.code,
        peer: wanted.peer,
        feed: wanted.feed,
        from: time(wanted.from)?,
        to: time(wanted.to)?,
        id: wanted.id,
    };
    let after = wanted.after;
    let listed = look(operator, move |kept| {
        kept.list(&filter, after.as_deref(), limit)
    });
    ok(&listed.await?)
}

async fn show(Ready(operator): Ready, Named(id): Named) -> Answer {
    ok(&look(operator, move |kept| kept.show(&id)).await?)
}

async fn resubmit(
    Ready(operator): Ready,
    caller: Caller,
    Body(wanted): Body<ToResubmit>,
) -> Answer {
    let ToResubmit { filter, dry_run } = wanted;
    let counted = filter.clone();
    let matching = look(Arc::clone(&operator), move |kept| kept.count(&counted)).await?;
    let kept = KeptBodies(&operator.quarantine).kept();
    if dry_run {
        return ok(&json!({"matching": matching, "kept": kept}));
    }

    let asked = json!({ "filter": filter });
    let job = operator.jobs.begin(JobKind::Resubmit, asked.clone())?;
    let act = Act {
        what: "quarantine.resubmit",
        how_many: Some(matching),
        details: asked,
    };
    operator.note(&caller, act).await?;

    let answer = json!({"job": job.id(), "matching": matching, "kept": kept});
    tokio::spawn(carry_out(operator, job, filter, matching));
    ok(&answer)
}

async fn drop_all(Ready(operator): Ready, caller: Caller, Body(wanted): Body<ToDrop>) -> Answer {
    let ToDrop {
        filter,
        all,
        dry_run,
    } = wanted;
    check_drop(filter.is_empty(), all)?;
    let counted = filter.clone();
    let matching = look(Arc::clone(&operator), move |kept| kept.count(&counted)).await?;
    if dry_run {
        let kept = KeptBodies(&operator.quarantine).kept();
        return ok(&json!({"matching": matching, "kept": kept}));
    }

    let act = Act {
        what: "quarantine.drop",
        how_many: Some(matching),
        details: json!({ "filter": filter }),
    };
    operator.note(&caller, act).await?;
    ok(&look(operator, move |kept| kept.drop_all(&filter)).await?)
}

/// Reads or changes what is kept.
async fn look<T: Send + 'static>(
    operator: Arc<Operator>,
    work: impl FnOnce(KeptBodies<'_>) -> Result<T, Complaint> + Send + 'static,
) -> Result<T, Complaint> {
    off_the_runtime(move || work(KeptBodies(&operator.quarantine))).await
}

async fn carry_out(operator: Arc<Operator>, job: Job, filter: QuarantineFilter, total: u64) {
    let cancelled = CancellationToken::new();
    let tell = |so_far: Resubmitted| job.progress(so_far.done(), total);
    let carried_out = {
        let work = operator.resubmit.carry_out(filter, cancelled.clone(), tell);
        super::or_cancelled(work, job.cancelled(), &cancelled).await
    };

    match carried_out {
        Ok(resubmitted) => {
            let Resubmitted {
                accepted, refused, ..
            } = resubmitted;
            tracing::info!(
                job = job.id(),
                accepted,
                refused,
                "bodies were handed in again"
            );
            job.end(json!(resubmitted));
        }
        Err(error) => {
            tracing::error!(job = job.id(), %error, "bodies cannot be handed in again");
            job.end(json!({"error": error.to_string()}));
        }
    }
}
