//! Renders a record as the message of each kind of destination: the one place where `route` and `send` meet.
//!
//! Promises: what depends on the moment of sending is rendered then. Deliberately holds no state and reads no disk: the caller brings the
//! pictures.

use std::sync::Arc;

mod onward;

pub use onward::Onward;

use crate::links::Links;
use crate::links::later::Later;
use crate::route::{PicturesNow, Router, Sending};
use crate::send::window::Poison;
use crate::send::{Reason, Rejection};
use boxbridge_config::PictureWait;
use boxbridge_event::{
    Event, Message, Object, Picture, PictureKind, PictureSet, PictureVerdict, Record, Timestamp,
};

/// Record → message, for one kind of destination.
pub trait Render: Send + Sync + 'static {
    type Message: Send;

    /// Whether one message can end the connection for all.
    fn poison(&self) -> Poison;

    /// For how long an event waits for its pictures to be stored; `None` = it waits for no store.
    fn waits(&self, event: &Event) -> Option<PictureWait>;

    /// Until when one may act on it, if it goes to another topic afterwards and so has to arrive in time.
    fn act_before(&self, event: &Event, replay: Option<&str>) -> Option<Timestamp>;

    /// Whether the message carries picture bytes.
    fn needs_pictures(&self, event: &Event) -> bool;

    /// The pictures to send if they cannot be read back, or why the event is not sent.
    fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection>;

    /// `None` where there is nothing to do. `event` is the record's.
    fn message(
        &self,
        record: &Record,
        event: &Event,
        sending: &Sending<'_>,
        pictures: Vec<Picture>,
    ) -> Option<Self::Message>;

    /// How many bytes it takes in the window.
    fn size(&self, message: &Self::Message) -> usize;

    /// Where it goes, for the set-aside store.
    fn topic(&self, message: &Self::Message) -> Option<String>;

    /// Whether a set-aside record needs its pictures with it.
    fn keeps_pictures(&self) -> bool;
}

/// Messages for a bus. References wait for the store, inline pictures are read from the queue.
#[derive(Clone)]
pub struct ToBus {
    router: Arc<Router>,
    links: Arc<Links>,
    /// Hears of what leaves before its pictures are stored.
    later: Arc<Later>,
    bus: Bus,
}

#[derive(Clone, Copy)]
enum Bus {
    Mqtt,
    Kafka,
}

impl ToBus {
    pub fn mqtt(router: Arc<Router>, links: Arc<Links>, later: Arc<Later>) -> ToBus {
        ToBus {
            router,
            links,
            later,
            bus: Bus::Mqtt,
        }
    }

    pub fn kafka(router: Arc<Router>, links: Arc<Links>, later: Arc<Later>) -> ToBus {
        ToBus {
            router,
            links,
            later,
            bus: Bus::Kafka,
        }
    }
}

impl Render for ToBus {
    type Message = Message;

    fn poison(&self) -> Poison {
        match self.bus {
            Bus::Mqtt => Poison::Possible,
            Bus::Kafka => Poison::Impossible,
        }
    }

    fn waits(&self, event: &Event) -> Option<PictureWait> {
        self.router
            .shows_pictures(event)
            .then(|| self.router.picture_wait(event.person_type))
    }

    fn act_before(&self, event: &Event, replay: Option<&str>) -> Option<Timestamp> {
        match self.bus {
            Bus::Mqtt => self.router.act_before(event, replay),
            Bus::Kafka => None,
        }
    }

    fn needs_pictures(&self, event: &Event) -> bool {
        self.router.wants_inline(event.person_type) && self.router.shows_pictures(event)
    }

    /// The reference still says where the picture will be.
    fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection> {
        tracing::warn!(event.id = %event.id, %error, "pictures could not be read back, the event goes without them");
        Ok(Vec::new())
    }

    fn message(
        &self,
        _record: &Record,
        event: &Event,
        sending: &Sending<'_>,
        pictures: Vec<Picture>,
    ) -> Option<Message> {
        let links = match self.router.shows_pictures(event) {
            true => self.linked(event, sending),
            false => Vec::new(),
        };
        let sending = Sending {
            links: &links,
            inline: &pictures,
            ..*sending
        };
        match self.bus {
            Bus::Mqtt => self.router.mqtt(event, &sending),
            Bus::Kafka => self.router.kafka(event, &sending),
        }
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

impl ToBus {
    /// Links to an event's pictures. If those are not stored yet, that is told of later.
    fn linked(&self, event: &Event, sending: &Sending<'_>) -> Vec<(PictureKind, String)> {
        let record = sending.record_in_log();
        if let (Some(record), PicturesNow::Pending) = (record, sending.pictures) {
            self.later
                .sent_without(record, sending.lane, event.person_type);
        }
        self.links.of(event, record, sending.now)
    }
}

/// Objects for the picture store.
#[derive(Clone)]
pub struct ToStore(pub Arc<Router>);

impl Render for ToStore {
    type Message = Vec<Object>;

    fn poison(&self) -> Poison {
        Poison::Impossible
    }

    fn waits(&self, _event: &Event) -> Option<PictureWait> {
        None
    }

    fn act_before(&self, _event: &Event, _replay: Option<&str>) -> Option<Timestamp> {
        None
    }

    fn needs_pictures(&self, event: &Event) -> bool {
        self.0.stores(event)
    }

    /// None of them will come: they are `missing`, and the reason goes to the set-aside store.
    fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection> {
        let mut missing = PictureSet::default();
        event
            .pictures
            .iter()
            .for_each(|(kind, _)| missing.insert(kind));
        let verdict = PictureVerdict {
            missing,
            ..PictureVerdict::default()
        };
        Err(Rejection {
            reason: Reason::Unreadable,
            detail: error,
            verdict,
        })
    }

    fn message(
        &self,
        _record: &Record,
        event: &Event,
        _sending: &Sending<'_>,
        pictures: Vec<Picture>,
    ) -> Option<Vec<Object>> {
        Some(self.0.objects(event, pictures)).filter(|objects| !objects.is_empty())
    }

    fn size(&self, message: &Vec<Object>) -> usize {
        message.iter().map(|object| object.bytes.len()).sum()
    }

    fn topic(&self, _message: &Vec<Object>) -> Option<String> {
        None
    }

    fn keeps_pictures(&self) -> bool {
        true
    }
}
