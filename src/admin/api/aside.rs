//! `/api/aside`: events that a destination refused, to look at, to send again and to drop.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Endpoint, Operator, Parameter, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Asked, Body, Complaint, Named, off_the_runtime, ok, page};
use crate::admin::audit::Act;
use crate::admin::jobs::{Job, JobKind};
use crate::admin::kept::{KeptAside, check_drop};
use crate::gateway::kept::AsideFilter;
use crate::gateway::{Order, Resent};
use boxbridge_event::{EventId, PersonType};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/aside", list)
            .parameters(filter())
            .summary("Events that a destination refused, the oldest first; some may be looked through in vain: then `next` goes on")
            .parameter("limit", "entries on a page, 1 to 1000 (100)", json!({"type": "integer"}))
            .parameter("after", "`next` of the page before", json!({"type": "string"}))
            .gives(json!({
                "records": {"type": "array", "items": {"type": "object"}},
                "next": {"type": ["string", "null"]},
                "kept": kept_schema(),
            }))
            .complains(400, "bad_query")
            .complains(404, "unknown_destination"),
        Endpoint::get("/aside/{id}", show)
            .summary("One of them: why it was refused, and its message as it would leave now")
            .parameter("id", "as in the list", json!({"type": "string"}))
            .gives(json!({
                "id": {"type": "string"},
                "reason": {"type": "string"},
                "detail": {"type": "string"},
                "message": {"type": ["object", "null"], "description": "null: by its route nothing of it goes there now"},
                "event_as_kept": {"type": "object"},
            }))
            .complains(404, "not_found"),
        Endpoint::post("/aside/resend", resend)
            .summary("Sends those that the filter means again, late and behind everything live; a job")
            .takes(json!({
                "filter": Parameter::object(filter()),
                "rate": {"type": "integer", "description": "events a second to each destination"},
                "dry_run": {"type": "boolean"},
            }))
            .gives(json!({
                "job": {"type": "string", "description": "absent from a dry run"},
                "matching": {"type": "object"},
                "kept": kept_schema(),
            }))
            .complains(404, "not_found")
            .complains(404, "unknown_destination")
            .complains(409, "job_running"),
        Endpoint::post("/aside/drop", drop_all)
            .summary("Removes those that the filter means, for good")
            .takes(json!({
                "filter": Parameter::object(filter()),
                "all": {"type": "boolean", "description": "instead of a filter"},
                "dry_run": {"type": "boolean"},
            }))
            .gives(json!({
                "dropped": {"type": "object"},
                "before": kept_schema(),
                "after": kept_schema(),
            }))
            .complains(400, "bad_filter")
            .complains(404, "not_found"),
    ]
}

fn kept_schema() -> Value {
    json!({"type": "object", "description": "all that there is", "properties": {
        "records": {"type": "integer"}, "bytes": {"type": "integer"},
    }})
}

fn filter() -> [Parameter; 8] {
    [
        Parameter::text("destination", "as in [send.<name>]"),
        Parameter::text("reason", "the word that stands in the list"),
        Parameter::word("person_type", "of the event", &PersonType::ALL),
        Parameter::text("device", "of the event"),
        Parameter::text(
            "from",
            "set aside at this time or later: 14:00, 2h ago, RFC 3339",
        ),
        Parameter::text("to", "set aside before this time"),
        Parameter::text("event", "the event's id"),
        Parameter::text("id", "this one alone"),
    ]
}

/// What stands behind the `?` of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    destination: Option<String>,
    reason: Option<String>,
    person_type: Option<PersonType>,
    device: Option<String>,
    from: Option<String>,
    to: Option<String>,
    event: Option<EventId>,
    id: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToResend {
    #[serde(default)]
    filter: AsideFilter,
    rate: Option<u32>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToDrop {
    #[serde(default)]
    filter: AsideFilter,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

async fn list(Ready(operator): Ready, Asked(wanted): Asked<Wanted>) -> Answer {
    let limit = page(wanted.limit)?;
    let time = |text: Option<String>| text.map(|text| super::time(&text)).transpose();
    let filter = AsideFilter {
        destination: wanted.destination,
        reason: wanted.reason,
        person_type: wanted.person_type,
        device: wanted.device,
        from: time(wanted.from)?,
        to: time(wanted.to)?,
        event: wanted.event,
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

async fn resend(Ready(operator): Ready, caller: Caller, Body(wanted): Body<ToResend>) -> Answer {
    let ToResend {
        filter,
        rate,
        dry_run,
    } = wanted;
    check_can_be_sent(&operator, &filter)?;
    let counted = filter.clone();
    let matching = look(Arc::clone(&operator), move |kept| kept.count(&counted)).await?;
    let kept = kept(&operator);
    if dry_run {
        return ok(&json!({"matching": matching, "kept": kept}));
    }

    let asked = json!({"filter": filter, "rate": rate});
    let job = operator.jobs.begin(JobKind::Resend, asked.clone())?;
    let act = Act {
        what: "aside.resend",
        how_many: Some(matching.records),
        details: asked,
    };
    operator.note(&caller, act).await?;

    resume(&operator, &filter);
    let answer = json!({"job": job.id(), "matching": matching, "kept": kept});
    let order = Order {
        filter,
        replay: replay(&job).into(),
        rate,
    };
    tokio::spawn(carry_out(operator, job, order, matching.records));
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
        let kept = kept(&operator);
        return ok(&json!({"matching": matching, "kept": kept}));
    }

    let act = Act {
        what: "aside.drop",
        how_many: Some(matching.records),
        details: json!({ "filter": filter }),
    };
    operator.note(&caller, act).await?;
    ok(&look(operator, move |kept| kept.drop_all(&filter)).await?)
}

/// Reads or changes what is kept.
async fn look<T: Send + 'static>(
    operator: Arc<Operator>,
    work: impl FnOnce(KeptAside<'_>) -> Result<T, Complaint> + Send + 'static,
) -> Result<T, Complaint> {
    let look = move || {
        let previews = operator.reload.previews();
        work(KeptAside {
            aside: &operator.aside,
            previews: &previews,
            verdicts: Some(operator.documents.verdicts.clone()),
        })
    };
    off_the_runtime(look).await
}

fn kept(operator: &Operator) -> Value {
    let (records, bytes) = operator.aside.usage();
    json!({"records": records, "bytes": bytes})
}

fn check_can_be_sent(operator: &Operator, filter: &AsideFilter) -> Result<(), Complaint> {
    let Some(name) = &filter.destination else {
        return Ok(());
    };
    let names: Vec<_> = operator.resend.destinations().collect();
    if names.contains(&name.as_str()) {
        return Ok(());
    }
    let message = format!(
        "nothing can be sent to {name:?}: there are the destinations {}",
        names.join(", ")
    );
    Err(Complaint::unknown_destination(message))
}

/// Who sends again has removed the cause: what is meant is tried at once, and limits learned from refusals are forgotten.
fn resume(operator: &Operator, filter: &AsideFilter) {
    let wanted = filter.destination.as_deref();
    let types = filter.person_type.as_slice();
    let types = if types.is_empty() {
        PersonType::ALL
    } else {
        types
    };

    let contacts = operator.health.contacts();
    let meant = contacts
        .iter()
        .filter(|contact| wanted.is_none_or(|name| *contact.destination == *name));
    meant.for_each(|contact| contact.resume(types));
}

/// The replay that messages of this job name.
fn replay(job: &Job) -> String {
    let id = job.id();
    format!("aside-{}", id.rsplit('-').next().unwrap_or(id))
}

async fn carry_out(operator: Arc<Operator>, job: Job, order: Order, total: u64) {
    let cancelled = CancellationToken::new();
    let tell = |so_far: Resent| job.progress(so_far.done(), total);
    let carried_out = {
        let work = operator.resend.carry_out(order, cancelled.clone(), tell);
        super::or_cancelled(work, job.cancelled(), &cancelled).await
    };

    match carried_out {
        Ok(resent) => {
            let Resent {
                delivered, refused, ..
            } = resent;
            tracing::info!(
                job = job.id(),
                delivered,
                refused,
                "set-aside events were sent again"
            );
            job.end(json!(resent));
        }
        Err(error) => {
            tracing::error!(job = job.id(), %error, "set-aside events cannot be sent again");
            job.end(json!({"error": error.to_string()}));
        }
    }
}
