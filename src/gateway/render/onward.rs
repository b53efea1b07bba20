//! A record that went over Kafka → its message for MQTT.
//!
//! Promises: payload and attributes are those that stand on Kafka. Deliberately fetches no picture and makes no link.

use std::sync::Arc;

use super::Render;
use crate::route::{Router, Sending};
use crate::send::Rejection;
use crate::send::kafka::group::Clocks;
use crate::send::window::Poison;
use boxbridge_config::PictureWait;
use boxbridge_event::{Event, Message, Picture, Record, Timestamp};

#[derive(Clone)]
pub struct Onward {
    /// Of the MQTT destination.
    pub router: Arc<Router>,
    /// Where they are not known to agree, nothing is live.
    pub clocks: Arc<Clocks>,
}

impl Render for Onward {
    type Message = Message;

    fn poison(&self) -> Poison {
        Poison::Possible
    }

    /// It waited before it went to Kafka.
    fn waits(&self, _event: &Event) -> Option<PictureWait> {
        None
    }

    fn act_before(&self, event: &Event, replay: Option<&str>) -> Option<Timestamp> {
        let act_before = self.router.act_before(event, replay);
        act_before.filter(|_| self.clocks.agree())
    }

    fn needs_pictures(&self, _event: &Event) -> bool {
        false
    }

    fn without_pictures(&self, _event: &Event, _error: String) -> Result<Vec<Picture>, Rejection> {
        Ok(Vec::new())
    }

    fn message(
        &self,
        record: &Record,
        event: &Event,
        sending: &Sending<'_>,
        _pictures: Vec<Picture>,
    ) -> Option<Message> {
        let carried = record.carried.as_deref()?;
        let payload = record.event.clone();
        let may_be_live = self.clocks.agree();
        self.router
            .onward(event, (carried, payload), sending, may_be_live)
    }

    fn size(&self, message: &Message) -> usize {
        message.payload.len() + message.topic.len()
    }

    fn topic(&self, message: &Message) -> Option<String> {
        Some(message.topic.clone())
    }

    fn keeps_pictures(&self) -> bool {
        false
    }
}
