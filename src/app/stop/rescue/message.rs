//! A kept file as its message for the topic `boxbridge.aside`, or why it stays here.
//!
//! Promises: an event leaves as its own route lets it, for the record only; pictures that the store refused are in it, others are named. Nothing
//! goes to a cluster that its routes leave out. A body is whole, so it goes only where they leave out nothing, and where it can hold no face
//! embedding. Deliberately makes no link: links end with the gateway.

use std::time::Duration;

use bytes::Bytes;

use super::Rescue;
use crate::gateway::Preview;
use crate::gateway::kept::{AsideHead, KeptRecord, QuarantineHead};
use crate::normalize;
use crate::route::{Router, Sending};
use crate::send::kafka::{LeftAside, Refused};
use boxbridge_config::KindName;
use boxbridge_event::{Event, Message, Picture, Sequence, Timestamp};

/// As messages name what was never sent: nobody acts on them.
const REPLAY: &str = "aside-stop";

/// Why a file stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stays {
    /// A route of the cluster leaves out what it holds.
    Redacted,
    /// It may hold a face embedding.
    Embedding,
    /// The topic takes no message of its size or content.
    NotTaken,
    Unreadable,
    /// The settings do not name its destination any more.
    WithoutDestination,
    /// It lies on Kafka as well.
    NotRemoved,
}

impl Stays {
    pub fn as_str(self) -> &'static str {
        match self {
            Stays::Redacted => "redacted",
            Stays::Embedding => "embedding",
            Stays::NotTaken => "not_taken",
            Stays::Unreadable => "unreadable",
            Stays::WithoutDestination => "without_destination",
            Stays::NotRemoved => "not_removed",
        }
    }
}

impl Rescue {
    pub(super) async fn event(&self, kept: &KeptRecord) -> Result<LeftAside, Stays> {
        let preview = self.preview(&kept.head.destination);
        let preview = preview.ok_or(Stays::WithoutDestination)?;
        let event: Event = serde_json::from_slice(&kept.event).map_err(|_| Stays::Unreadable)?;

        let (router, of_cluster) = (&preview.router, self.router_of_cluster()?);
        if !router.tells_no_more_than(of_cluster, event.person_type) {
            return Err(Stays::Redacted);
        }

        let message = match preview.kind {
            KindName::Store => {
                let pictures = kept.pictures().await.map_err(|_| Stays::Unreadable)?;
                self.message(&router.with_pictures(), &event, kept, &pictures)
            }
            KindName::Mqtt | KindName::Kafka => self.message(router, &event, kept, &[]),
        };
        Ok(LeftAside {
            about: about_event(&kept.head),
            message,
        })
    }

    fn message(
        &self,
        router: &Router,
        event: &Event,
        kept: &KeptRecord,
        pictures: &[Picture],
    ) -> Message {
        let sending = Sending {
            sequence: Sequence(kept.head.sequence),
            epoch: kept.epoch(),
            lane: kept.head.lane,
            now: Timestamp::now(),
            age: Duration::ZERO,
            replay: Some(REPLAY),
            pictures: kept.settled(&self.verdicts),
            links: &[],
            inline: pictures,
        };
        router.set_aside(event, &sending)
    }

    pub(super) fn body(&self, head: &QuarantineHead, body: Bytes) -> Result<LeftAside, Stays> {
        if !self.router_of_cluster()?.tells_all() {
            return Err(Stays::Redacted);
        }
        if normalize::may_hold_embedding(&body) {
            return Err(Stays::Embedding);
        }

        let message = Message {
            topic: String::new(),
            key: head.peer.clone(),
            attributes: vec![("datacontenttype", "application/octet-stream".to_owned())],
            payload: body,
            timestamp: head.received_at,
            expires_in: None,
        };
        Ok(LeftAside {
            about: about_body(head),
            message,
        })
    }

    fn router_of_cluster(&self) -> Result<&Router, Stays> {
        let preview = self.preview(&self.cluster);
        preview
            .map(|preview| &preview.router)
            .ok_or(Stays::WithoutDestination)
    }

    fn preview(&self, destination: &str) -> Option<&Preview> {
        let mut previews = self.previews.iter();
        previews.find(|preview| *preview.destination == *destination)
    }
}

fn about_event(head: &AsideHead) -> Vec<(&'static str, String)> {
    let refused = Refused {
        destination: &head.destination,
        lane: head.lane,
        reason: &head.reason,
        detail: &head.detail,
        attempts: head.attempts,
        topic: head.topic.as_deref(),
    };
    refused.about()
}

/// Who sent it and why it was refused: what is needed to hand it in again.
fn about_body(head: &QuarantineHead) -> Vec<(&'static str, String)> {
    let always = [
        ("reason", head.code.clone()),
        ("detail", head.message.clone()),
        ("peer", head.peer.clone()),
        ("feed", head.feed.to_string()),
        ("received_at", head.received_at.to_string()),
    ];

    let known = [
        ("field", &head.field),
        ("site", &head.site),
        ("box", &head.box_id),
        ("charset", &head.charset),
        ("device", &head.only_device),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)));
    always.into_iter().chain(known).collect()
}
