//! The first line of a kept body's file: who sent it, when, and why it was refused.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use boxbridge_event::{Authenticated, BoxPass, Feed, Refusal, Source, Timestamp};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QuarantineHead {
    pub received_at: Timestamp,
    pub feed: Feed,
    pub peer: String,
    pub site: Option<String>,
    #[serde(rename = "box")]
    pub box_id: Option<String>,
    /// As its sender declared it; `None` in files of earlier versions.
    #[serde(default)]
    pub charset: Option<String>,
    /// How its sender had proved itself; that, and the next, is not asked again when it is handed in again.
    #[serde(default)]
    pub authenticated: Authenticated,
    /// The only device that its sender may tell of.
    #[serde(default)]
    pub only_device: Option<String>,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
    pub bytes: u64,
    /// How often it was handed in again and refused again.
    #[serde(default)]
    pub resubmitted: u32,
}

impl QuarantineHead {
    pub(super) fn of(source: &Source, refusal: &Refusal, body: &[u8]) -> QuarantineHead {
        QuarantineHead {
            received_at: source.received_at,
            feed: source.feed,
            peer: source.peer.clone(),
            site: source.site.clone(),
            box_id: source.box_id.clone(),
            charset: source.charset.clone(),
            authenticated: source.pass.authenticated,
            only_device: source.pass.device.clone(),
            code: refusal.code.as_str().to_owned(),
            field: refusal.field.clone(),
            message: refusal.message.clone(),
            bytes: body.len() as u64,
            resubmitted: 0,
        }
    }

    pub(super) fn read(head: &Value) -> io::Result<QuarantineHead> {
        QuarantineHead::deserialize(head)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// It was refused again.
    pub(super) fn say(&mut self, refusal: &Refusal) {
        refusal.code.as_str().clone_into(&mut self.code);
        self.field.clone_from(&refusal.field);
        self.message.clone_from(&refusal.message);
        self.resubmitted = self.resubmitted.saturating_add(1);
    }

    /// Who sent it, as if it came as history at this moment.
    pub fn source(&self, received_at: Timestamp) -> Source {
        Source {
            peer: self.peer.clone(),
            feed: Feed::History,
            site: self.site.clone(),
            box_id: self.box_id.clone(),
            charset: self.charset.clone(),
            received_at,
            pass: BoxPass {
                authenticated: self.authenticated,
                device: self.only_device.clone(),
                ..BoxPass::default()
            },
        }
    }

    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}
