//! The first line of a set-aside record's file: what it is, and why it was not taken.
//!
//! Deliberately without the person: only what logs have as well. Files of earlier versions lack what was added since; their event has it.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SetAside;
use crate::gateway::kept::folder::KeptFile;
use boxbridge_event::{Event, EventId, Lane, PersonType, PictureKind, Timestamp};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AsideHead {
    pub destination: String,
    pub lane: Lane,
    pub sequence: u64,
    /// Of the log; `None` in files of earlier versions, whose names have eight digits of it.
    #[serde(default)]
    pub epoch: Option<String>,
    /// When it was set aside.
    pub at: Timestamp,
    pub reason: String,
    pub detail: String,
    pub attempts: u32,
    pub topic: Option<String>,
    #[serde(default)]
    pub event: Option<EventId>,
    #[serde(default)]
    pub person_type: Option<PersonType>,
    #[serde(default)]
    pub device: Option<String>,
    pub event_bytes: u64,
    pub pictures: Vec<PictureSize>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PictureSize {
    pub kind: PictureKind,
    pub bytes: u64,
}

impl AsideHead {
    /// `event` is `None` where it cannot be read.
    pub(super) fn of(aside: &SetAside, epoch: &str, event: Option<&Event>) -> AsideHead {
        let size = |picture: &boxbridge_event::Picture| PictureSize {
            kind: picture.kind,
            bytes: picture.bytes.len() as u64,
        };
        AsideHead {
            destination: aside.destination.to_string(),
            lane: aside.lane,
            sequence: aside.sequence.0,
            epoch: Some(epoch.to_owned()),
            at: aside.at,
            reason: aside.why.reason.to_owned(),
            detail: aside.why.detail.clone(),
            attempts: aside.why.attempts,
            topic: aside.topic.clone(),
            event: event.map(|event| event.id),
            person_type: event.map(|event| event.person_type),
            device: event.map(|event| event.device.id.clone()),
            event_bytes: aside.event.len() as u64,
            pictures: aside.pictures.iter().map(size).collect(),
        }
    }

    pub(super) fn read(head: &Value) -> io::Result<AsideHead> {
        AsideHead::deserialize(head)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// The same with what an earlier version did not write there.
    pub(super) fn complete(file: &KeptFile) -> io::Result<AsideHead> {
        let mut head = AsideHead::read(&file.head)?;
        if head.event.is_none() {
            let text = file.read(0, head.event_bytes)?;
            head.add(serde_json::from_slice(&text).ok().as_ref());
        }
        Ok(head)
    }

    pub(super) fn add(&mut self, event: Option<&Event>) {
        let Some(event) = event else {
            return;
        };
        self.event = Some(event.id);
        self.person_type = Some(event.person_type);
        self.device = Some(event.device.id.clone());
    }

    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}
