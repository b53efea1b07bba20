//! `/api/replays`: sends a range of time again, shows how that goes, and cancels it.
//!
//! Promises: a replay is a job from its beginning to its end, also the one that a restart goes on with. Deliberately decides nothing:
//! `gateway::replays` does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Endpoint, Operator, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Body, Complaint, Named, ok};
use crate::admin::audit::Act;
use crate::admin::jobs::{Job, JobKind, JobState};
use crate::gateway::{NotReplayed, Plan, Replays, Wanted};
use crate::queue::{ReplayReport, ReplayState, ReplayTo, Survey};
use boxbridge_event::{PersonType, Timestamp};

/// Between two looks at a replay that goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// A job hears of its end at once, but on a machine that is very busy.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/replays", begin)
            .summary("Sends again what was received in a range of time: with the same id and revision, `replay` set, late, behind everything live")
            .takes(json!({
                "from": {"type": "string", "description": "received at this time or later: 14:00 (today, local time), 2026-11-28 14:00, RFC 3339, 2h ago"},
                "to": {"type": "string", "description": "and before this one; now, where it is left out"},
                "destination": {"type": "string", "description": "only this one; every one of kind mqtt and kafka, where it is left out"},
                "device": {"type": "string"},
                "person_type": {"enum": PersonType::ALL},
                "rate": {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "events a second at most, to each destination"},
                "dry_run": {"type": "boolean", "description": "counts, and sends nothing"},
            }))
            .gives(json!({
                "id": {"type": ["string", "null"], "description": "stands in `replay` of each event; null for a dry run"},
                "from": {"type": "string", "format": "date-time"},
                "to": {"type": "string", "format": "date-time"},
                "reaches_back_to": {"type": "string", "format": "date-time"},
                "destinations": {"type": "array", "items": {"type": "object", "properties": {
                    "destination": {"type": "string"},
                    "records": {"type": "integer", "description": "so many are meant"},
                    "live": {"type": "integer", "description": "so many of them were never delivered: they come live, and not twice"},
                }}},
                "notes": {"type": "array", "items": {"type": "string"}},
            }))
            .complains(400, "bad_body")
            .complains(400, "bad_filter")
            .complains(400, "bad_time")
            .complains(400, "out_of_window")
            .complains(404, "not_found")
            .complains(404, "unknown_destination")
            .complains(409, "job_running"),
        Endpoint::get("/replays", list)
            .summary("The replay under way, and the last that ended, of each destination")
            .gives(json!({
                "reaches_back_to": {"type": ["string", "null"], "format": "date-time", "description": "the oldest event that is there"},
                "replays": {"type": "array", "items": {"type": "object"}},
            })),
        Endpoint::delete("/replays/{id}", cancel)
            .summary("Ends a replay: what was sent stays sent")
            .parameter("id", "of the replay", json!({"type": "string"}))
            .gives(json!({"cancelled": {"type": "string"}}))
            .complains(404, "not_found"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    from: String,
    to: Option<String>,
    destination: Option<String>,
    device: Option<String>,
    person_type: Option<PersonType>,
    rate: Option<u32>,
    #[serde(default)]
    dry_run: bool,
}

impl Asked {
    fn wanted(self, now: Timestamp) -> Result<Wanted, Complaint> {
        let time = |name: &str, text: &str| {
            let read = Timestamp::from_people(text, now);
            read.map_err(|why| Complaint::bad("bad_time", format!("{name}: {why}")))
        };
        Ok(Wanted {
            from: time("from", &self.from)?,
            to: time("to", self.to.as_deref().unwrap_or("now"))?,
            destination: self.destination,
            device: self.device,
            person_type: self.person_type,
            rate: self.rate,
        })
    }
}

async fn begin(Ready(operator): Ready, caller: Caller, Body(asked): Body<Asked>) -> Answer {
    let (now, dry_run) = (Timestamp::now(), asked.dry_run);
    let wanted = asked.wanted(now)?;
    let plan = operator.replays().plan(&wanted, now).await?;
    if dry_run {
        return ok(&planned(None, &wanted, &plan));
    }

    let job = operator.jobs.begin(JobKind::Replay, described(&wanted))?;
    let act = Act {
        what: "replay",
        how_many: Some(plan.counted.iter().map(|each| each.records).sum()),
        details: json!({"id": job.id(), "asked": described(&wanted)}),
    };
    operator.note(&caller, act).await?;

    // The one who asked may go away: what was begun is watched.
    let (replays, begun) = (operator.replays(), wanted.clone());
    let begun = tokio::spawn(async move { begin_job(replays, job, begun, now).await });
    let begun = begun.await.map_err(|_| Complaint::fault())?;
    let (id, plan) = begun?;
    ok(&planned(Some(&id), &wanted, &plan))
}

async fn begin_job(
    replays: Arc<Replays>,
    job: Job,
    wanted: Wanted,
    now: Timestamp,
) -> Result<(String, Plan), NotReplayed> {
    let id = job.id().to_owned();
    match replays.begin(&id, &wanted, now).await {
        Ok(plan) => {
            tracing::info!(replay = id, from = %wanted.from, to = %wanted.to, "a replay begins");
            tokio::spawn(watch(replays, job));
            Ok((id, plan))
        }
        Err(why) => {
            job.end(json!({"error": why.to_string()}));
            Err(why)
        }
    }
}

async fn list(Ready(operator): Ready) -> Answer {
    let oldest = operator.replays().oldest().await;
    let oldest = oldest.map_err(NotReplayed::from)?;
    let reports = operator.replays().reports();
    let reports: Vec<Value> = reports.iter().map(shown).collect();
    ok(&json!({"reaches_back_to": oldest, "replays": reports}))
}

async fn cancel(Ready(operator): Ready, caller: Caller, Named(id): Named) -> Answer {
    let report = operator.replays().report(&id);
    let Some(report) = report.filter(ReplayReport::is_running) else {
        let message =
            format!("no replay {id:?} is under way: `boxbridge queue replays` shows them");
        return Err(Complaint::not_found(message));
    };

    let act = Act {
        what: "replay.cancel",
        how_many: Some(report.destinations.iter().map(ReplayTo::left).sum()),
        details: json!({"id": id}),
    };
    operator.note(&caller, act).await?;
    operator.jobs.cancel(&id);
    operator
        .replays()
        .cancel(&id)
        .await
        .map_err(NotReplayed::from)?;

    ended(&operator, &id).await;
    ok(&json!({"cancelled": id}))
}

/// Until its job has ended as well, so that the next one may begin.
async fn ended(operator: &Operator, id: &str) {
    let is_under_way = || {
        let jobs = operator.jobs.reports();
        let states = [JobState::Running, JobState::Cancelling];
        jobs.iter()
            .any(|job| job.id == id && states.contains(&job.state))
    };
    let late = Instant::now() + ENDED_WITHIN;
    while is_under_way() && Instant::now() < late {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Goes on with the replays that were under way when the process ended.
pub fn take_up(operator: &Operator) {
    for report in operator.replays().reports() {
        let asked = json!({"goes_on_since_the_restart": shown(&report)});
        if let Ok(job) = operator.jobs.take_up(JobKind::Replay, report.id, asked) {
            tokio::spawn(watch(operator.replays(), job));
        }
    }
}

/// Keeps the job's numbers until the replay is over. A job that is cancelled ends the replay.
async fn watch(replays: Arc<Replays>, job: Job) {
    let mut cancelled = std::pin::pin!(job.cancelled());
    loop {
        let Some(report) = replays.report(job.id()) else {
            return job.end(Value::Null);
        };
        let of = |count: fn(&ReplayTo) -> u64| report.destinations.iter().map(count).sum::<u64>();
        let total = of(|each| each.records - each.live.min(each.records));
        job.progress(of(|each| each.sent), total);
        if !report.is_running() {
            say_over(&report);
            return job.end(
                json!({"destinations": report.destinations.iter().map(to).collect::<Vec<_>>()}),
            );
        }

        tokio::select! {
            () = &mut cancelled => {
                if let Err(error) = replays.cancel(job.id()).await {
                    tracing::warn!(%error, "a replay that was cancelled is asked again to end");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                cancelled.set(job.cancelled());
            }
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn say_over(report: &ReplayReport) {
    for each in &report.destinations {
        let (name, sent, left) = (&each.destination, each.sent, each.left());
        match each.state {
            ReplayState::Over if left > 0 => tracing::error!(
                replay = report.id,
                destination.name = name,
                sent,
                given_up = left,
                "a replay is over without events that the queue holds no more: new ones needed their room"
            ),
            _ => tracing::info!(
                replay = report.id,
                destination.name = name,
                sent,
                left,
                "a replay is over"
            ),
        }
    }
}

fn described(wanted: &Wanted) -> Value {
    json!({
        "from": wanted.from,
        "to": wanted.to,
        "destination": wanted.destination,
        "device": wanted.device,
        "person_type": wanted.person_type,
        "rate": wanted.rate,
    })
}

fn planned(id: Option<&str>, wanted: &Wanted, plan: &Plan) -> Value {
    let counted = |survey: &Survey| json!({"destination": survey.destination, "records": survey.records, "live": survey.live});
    let note = |name: &String| {
        format!(
            "{name} gets pictures inline: one that neither queue nor store has any more goes as a reference"
        )
    };
    let destinations: Vec<Value> = plan.counted.iter().map(counted).collect();
    let notes: Vec<String> = plan.inline.iter().map(note).collect();
    json!({
        "id": id,
        "from": wanted.from,
        "to": wanted.to,
        "rate": wanted.rate,
        "reaches_back_to": plan.oldest,
        "destinations": destinations,
        "notes": notes,
    })
}

fn shown(report: &ReplayReport) -> Value {
    let selection = report.destinations.first().map(|each| &each.selection);
    let states = [
        ReplayState::Running,
        ReplayState::Cancelled,
        ReplayState::Over,
    ];
    let is_so = |state: &ReplayState| report.destinations.iter().any(|each| each.state == *state);
    let state = states.into_iter().find(is_so).unwrap_or(ReplayState::Over);
    json!({
        "id": report.id,
        "state": word(state),
        "began_at": report.began_at,
        "rate": report.rate,
        "from": selection.and_then(|it| it.from),
        "to": selection.and_then(|it| it.to),
        "device": selection.and_then(|it| it.device.clone()),
        "destinations": report.destinations.iter().map(to).collect::<Vec<_>>(),
    })
}

fn to(each: &ReplayTo) -> Value {
    json!({
        "destination": each.destination,
        "state": word(each.state),
        "person_types": each.selection.person_types,
        "records": each.records,
        "sent": each.sent,
        "live": each.live,
        "left": each.left(),
    })
}

fn word(state: ReplayState) -> &'static str {
    match state {
        ReplayState::Running => "running",
        ReplayState::Over => "done",
        ReplayState::Cancelled => "cancelled",
    }
}

impl From<NotReplayed> for Complaint {
    fn from(why: NotReplayed) -> Complaint {
        let message = why.to_string();
        match why {
            NotReplayed::Senseless(_) => Complaint::bad("bad_filter", message),
            NotReplayed::OutOfWindow(_) => Complaint::bad("out_of_window", message),
            NotReplayed::UnknownDestination { .. } => Complaint::unknown_destination(message),
            NotReplayed::Nothing(_) => Complaint::not_found(message),
            NotReplayed::Unread(_) => Complaint::not_now("unread", message),
        }
    }
}
