//! Record → what the moody destination is sent.

use std::time::Duration;

use super::Sent;
use crate::gateway::Render;
use crate::route::Sending;
use crate::send::Rejection;
use crate::send::window::Poison;
use boxbridge_config::PictureWait;
use boxbridge_event::{Event, Picture, Record, Timestamp};

/// Whether messages carry pictures.
pub(super) struct Plain(pub(super) bool);

/// Events from this number on are live, the others are for the record only.
pub(super) const LIVE: i64 = 1_000_000;

impl Render for Plain {
    type Message = Sent;

    fn poison(&self) -> Poison {
        Poison::Possible
    }

    fn waits(&self, _event: &Event) -> Option<PictureWait> {
        None
    }

    fn act_before(&self, event: &Event, _replay: Option<&str>) -> Option<Timestamp> {
        (event.occurred_at.0 >= LIVE).then(|| Timestamp::now().plus(Duration::from_secs(3_600)))
    }

    fn needs_pictures(&self, _event: &Event) -> bool {
        self.0
    }

    fn without_pictures(&self, _event: &Event, _error: String) -> Result<Vec<Picture>, Rejection> {
        Ok(Vec::new())
    }

    fn message(
        &self,
        _record: &Record,
        event: &Event,
        sending: &Sending<'_>,
        pictures: Vec<Picture>,
    ) -> Option<Sent> {
        Some(Sent {
            number: event.occurred_at.0,
            person_type: event.person_type,
            device: event.device.id.clone(),
            picture_bytes: pictures.iter().map(|picture| picture.bytes.len()).sum(),
            replay: sending.replay.map(str::to_owned),
        })
    }

    fn size(&self, _message: &Sent) -> usize {
        100
    }

    fn topic(&self, message: &Sent) -> Option<String> {
        Some(format!("{}/{}", message.person_type, message.device))
    }

    fn keeps_pictures(&self) -> bool {
        false
    }
}
