//! What is said of set-aside events and of bodies in quarantine: the same JSON from the API, and from a command where the gateway is stopped.
//!
//! Promises: a filter that means nothing says so; a destination that is none is answered with those that there are. Deliberately sends
//! nothing.

use std::io;

use serde_json::{Value, json};

use super::answer::Complaint;
use crate::gateway::Preview;
use crate::gateway::kept::{Aside, AsideCounts, AsideFilter, Quarantine, QuarantineFilter};
use crate::queue::Verdicts;
use crate::route::PicturesNow;

/// As a preview names the resend that nobody has ordered yet.
const PREVIEW: &str = "aside-preview";

/// Set-aside events, and where each would go.
pub struct KeptAside<'a> {
    pub aside: &'a Aside,
    pub previews: &'a [Preview],
    /// What the store has settled; `None` where no gateway runs, and pictures are shown as pending.
    pub verdicts: Option<Verdicts>,
}

impl KeptAside<'_> {
    pub fn list(
        &self,
        filter: &AsideFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Value, Complaint> {
        self.check_destination(filter)?;
        let page = self.aside.page(filter, after, limit).map_err(unread)?;
        let record =
            |(id, head): (String, crate::gateway::kept::AsideHead)| named(&id, head.to_json());

        let records: Vec<_> = page.entries.into_iter().map(record).collect();
        Ok(json!({"records": records, "next": page.next, "kept": self.kept()}))
    }

    /// One event with what is known of it, and as it would leave now.
    pub fn show(&self, id: &str) -> Result<Value, Complaint> {
        let kept = self.aside.read(id).map_err(unread)?;
        let kept = kept.ok_or_else(|| no_such("set-aside event", id, "aside"))?;

        let preview = self.preview(&kept.head.destination);
        let verdicts = self.verdicts.as_ref();
        let pictures = verdicts.map_or(PicturesNow::Pending, |verdicts| kept.settled(verdicts));
        let message = preview.and_then(|preview| preview.of_kept(&kept, PREVIEW, pictures));
        let event: Value = serde_json::from_slice(&kept.event).unwrap_or_default();
        let mut shown = named(id, kept.head.to_json());
        if let Some(members) = shown.as_object_mut() {
            members.insert("message".to_owned(), message.unwrap_or_default());
            members.insert("event_as_kept".to_owned(), event);
        }
        Ok(shown)
    }

    /// How many are meant; a complaint where none is.
    pub fn count(&self, filter: &AsideFilter) -> Result<AsideCounts, Complaint> {
        self.check_destination(filter)?;
        let counts = self.aside.count(filter).map_err(unread)?;
        match counts.records {
            0 => Err(nothing_meant("set-aside event", filter)),
            _ => Ok(counts),
        }
    }

    /// Removes what is meant.
    pub fn drop_all(&self, filter: &AsideFilter) -> Result<Value, Complaint> {
        let before = self.kept();
        let dropped = self.aside.drop_all(filter).map_err(unread)?;
        Ok(json!({"dropped": dropped, "before": before, "after": self.kept()}))
    }

    /// How many there are in all.
    pub fn kept(&self) -> Value {
        let (records, bytes) = self.aside.usage();
        json!({"records": records, "bytes": bytes})
    }

    /// A destination that is not configured any more may still have events here, to be looked at and dropped.
    fn check_destination(&self, filter: &AsideFilter) -> Result<(), Complaint> {
        let Some(name) = &filter.destination else {
            return Ok(());
        };
        if self.preview(name).is_some() {
            return Ok(());
        }

        let all = self.aside.count(&AsideFilter::default()).map_err(unread)?;
        if all.destinations.contains_key(name) {
            return Ok(());
        }
        let configured = self
            .previews
            .iter()
            .map(|preview| preview.destination.to_string());
        let mut names: Vec<_> = configured.chain(all.destinations.into_keys()).collect();
        names.sort();
        names.dedup();
        let message = format!(
            "there is no destination {name:?}, only {}",
            names.join(", ")
        );
        Err(Complaint::unknown_destination(message))
    }

    fn preview(&self, destination: &str) -> Option<&Preview> {
        let mut previews = self.previews.iter();
        previews.find(|preview| *preview.destination == *destination)
    }
}

/// Bodies in quarantine.
pub struct KeptBodies<'a>(pub &'a Quarantine);

impl KeptBodies<'_> {
    pub fn list(
        &self,
        filter: &QuarantineFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Value, Complaint> {
        let page = self.0.page(filter, after, limit).map_err(unread)?;
        let body =
            |(id, head): (String, crate::gateway::kept::QuarantineHead)| named(&id, head.to_json());
        let bodies: Vec<_> = page.entries.into_iter().map(body).collect();
        Ok(json!({"bodies": bodies, "next": page.next, "kept": self.kept()}))
    }

    /// One body, its pictures as sizes and its fault marked.
    pub fn show(&self, id: &str) -> Result<Value, Complaint> {
        let body = self.0.read(id).map_err(unread)?;
        let body = body.ok_or_else(|| no_such("body", id, "quarantine"))?;
        let shown = body.excerpt().map_err(unread)?.shown();
        let mut head = named(id, body.head.to_json());
        if let Some(members) = head.as_object_mut() {
            members.insert("body".to_owned(), json!(shown));
        }
        Ok(head)
    }

    /// How many are meant; a complaint where none is.
    pub fn count(&self, filter: &QuarantineFilter) -> Result<u64, Complaint> {
        match self.0.count(filter).map_err(unread)? {
            0 => Err(nothing_meant("body in quarantine", filter)),
            count => Ok(count),
        }
    }

    /// Removes what is meant.
    pub fn drop_all(&self, filter: &QuarantineFilter) -> Result<Value, Complaint> {
        let before = self.kept();
        let dropped = self.0.drop_all(filter).map_err(unread)?;
        Ok(json!({"dropped": dropped, "before": before, "after": self.kept()}))
    }

    /// How many there are in all.
    pub fn kept(&self) -> Value {
        let (bodies, bytes) = self.0.usage();
        json!({"bodies": bodies, "bytes": bytes})
    }
}

/// What removes everything is to be asked for in so many words.
pub fn check_drop(is_filter_empty: bool, all: bool) -> Result<(), Complaint> {
    match (is_filter_empty, all) {
        (true, false) => Err(Complaint::bad(
            "bad_filter",
            "that would drop everything: name a filter, or ask for all (--all)",
        )),
        (false, true) => Err(Complaint::bad("bad_filter", "a filter, or all: not both")),
        _ => Ok(()),
    }
}

/// With its id in front.
fn named(id: &str, members: Value) -> Value {
    let mut named = json!({ "id": id });
    if let (Some(named), Value::Object(members)) = (named.as_object_mut(), members) {
        named.extend(members);
    }
    named
}

fn no_such(thing: &str, id: &str, list: &str) -> Complaint {
    Complaint::not_found(format!(
        "there is no {thing} {id:?}: `boxbridge {list} list` shows those that there are"
    ))
}

fn nothing_meant(thing: &str, filter: &impl serde::Serialize) -> Complaint {
    let filter = serde_json::to_value(filter).unwrap_or_default();
    let is_all = filter.as_object().is_some_and(serde_json::Map::is_empty);
    Complaint::not_found(match is_all {
        true => format!("there is no {thing}"),
        false => format!("no {thing} matches {filter}"),
    })
}

fn unread(error: io::Error) -> Complaint {
    Complaint::not_now("not_read", format!("the disk does not give it: {error}"))
}
