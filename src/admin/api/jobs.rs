//! `/api/jobs`: the replay, resend or resubmission under way, those that ended, and how to cancel one.

use serde_json::json;

use super::{Endpoint, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Complaint, Named, ok};
use crate::admin::audit::Act;
use crate::admin::openapi::shape;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/jobs", list)
            .summary("The job under way, then the last ten that ended, the newest first")
            .gives(json!({"jobs": shape::list(shape::named("Job"))})),
        Endpoint::delete("/jobs/{id}", cancel)
            .summary("Cancels a job: what it has done stays done")
            .parameter("id", "of the job", json!({"type": "string"}))
            .gives(json!({"cancelled": {"type": "string"}}))
            .complains(404, "not_found"),
    ]
}

async fn list(Ready(operator): Ready) -> Answer {
    ok(&json!({"jobs": operator.jobs.reports()}))
}

async fn cancel(Ready(operator): Ready, caller: Caller, Named(id): Named) -> Answer {
    let act = Act {
        what: "job.cancel",
        how_many: None,
        details: json!({"id": id}),
    };
    operator.note(&caller, act).await?;

    match operator.jobs.cancel(&id) {
        true => ok(&json!({"cancelled": id})),
        false => Err(Complaint::not_found(format!(
            "no job {id:?} is under way: /api/jobs lists them"
        ))),
    }
}
