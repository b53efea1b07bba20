//! `/api/destinations`: what an operator tells a destination.

use serde::Deserialize;
use serde_json::json;

use super::{Endpoint, Operator, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Body, Complaint, Named, ok};
use crate::admin::audit::Act;
use crate::admin::snapshot::PausedType;
use crate::send::contact::Contact;
use boxbridge_event::{Lane, PersonType};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/destinations/{name}/resume", resume)
            .summary("Tries at once what waits since the destination refused it, and a lost connection; limits that were learned from refusals are forgotten")
            .parameter("name", "as in [send.<name>]", json!({"type": "string"}))
            .takes(json!({"person_type": {
                "enum": PersonType::ALL,
                "description": "only this one; all that wait, where it is left out",
            }}))
            .gives(json!({
                "destination": {"type": "string"},
                "up": {"type": "boolean", "description": "false: the destination does not answer, and is asked again now"},
                "resumed": {"type": "array", "items": {"type": "object"}, "description": "as `paused_types` in /api/status"},
            }))
            .complains(400, "bad_body")
            .complains(404, "unknown_destination")
            .complains(409, "not_paused"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    person_type: Option<PersonType>,
}

async fn resume(
    Ready(operator): Ready,
    caller: Caller,
    Named(name): Named,
    Body(wanted): Body<Wanted>,
) -> Answer {
    let contact = contact(&operator, &name)?;
    let paused = paused(contact);
    let is_wanted = |paused: &PausedType| {
        wanted
            .person_type
            .is_none_or(|wanted| paused.person_type == wanted.as_str())
    };

    let resumed: Vec<_> = paused.iter().filter(|paused| is_wanted(paused)).collect();
    if let Some(person_type) = wanted.person_type
        && resumed.is_empty()
        && contact.is_up()
    {
        return Err(nothing_waits(&name, person_type, &paused));
    }

    let act = Act {
        what: "destination.resume",
        how_many: Some(resumed.iter().map(|paused| paused.waiting as u64).sum()),
        details: json!({"destination": name, "person_type": wanted.person_type}),
    };
    operator.note(&caller, act).await?;

    match wanted.person_type {
        Some(person_type) => contact.resume(&[person_type]),
        None => contact.resume(PersonType::ALL),
    }
    ok(&json!({"destination": name, "up": contact.is_up(), "resumed": resumed}))
}

/// The destination of this name, or those that there are.
fn contact<'a>(operator: &'a Operator, name: &str) -> Result<&'a Contact, Complaint> {
    let contacts = operator.health.contacts();
    let found = contacts
        .iter()
        .find(|contact| *contact.destination == *name);

    found.map(|contact| &**contact).ok_or_else(|| {
        let names: Vec<_> = contacts
            .iter()
            .map(|contact| &*contact.destination)
            .collect();
        let message = format!(
            "there is no destination {name:?}, only {}",
            names.join(", ")
        );
        Complaint::unknown_destination(message)
    })
}

fn paused(contact: &Contact) -> Vec<PausedType> {
    let of_lane = |lane: &Lane| contact.waits(*lane);
    let waits = Lane::ALL.iter().flat_map(of_lane);
    waits.map(PausedType::of).collect()
}

fn nothing_waits(name: &str, wanted: PersonType, paused: &[PausedType]) -> Complaint {
    let mut waiting: Vec<_> = paused.iter().map(|it| it.person_type.as_str()).collect();
    waiting.dedup();

    let others = match waiting.as_slice() {
        [] => String::new(),
        waiting => format!(", only {}", waiting.join(", ")),
    };
    let message =
        format!("{name} is up, and no {wanted} event waits there since it was refused{others}");
    Complaint::conflict("not_paused", message)
}
