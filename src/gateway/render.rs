//! What each destination is told: the one place where `route` and `send` meet.

use std::sync::Arc;

use crate::config::PictureWait;
use crate::event::{Event, Message, Object, Picture, PictureSet, PictureVerdict, Timestamp};
use crate::route::{Router, Sending};
use crate::send::window::Poison;
use crate::send::{Reason, Rejection};

/// Record → message, for one kind of destination.
pub trait Render: Send + Sync + 'static {
    type Message: Send;

    /// Whether one message can end the connection for all.
    const POISON: Poison;

    /// For how long an event waits for its pictures to be stored; `None` = it waits for no store.
    fn waits(&self, event: &Event) -> Option<PictureWait>;

    /// Until when one may act on it, where it goes elsewhere afterwards and so has to be there in time.
    fn act_before(&self, _event: &Event, _replay: Option<&str>) -> Option<Timestamp> {
        None
    }

    /// Whether the message carries picture bytes.
    fn needs_pictures(&self, event: &Event) -> bool;

    /// What to send when the pictures cannot be read back.
    fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection>;

    /// `None` where there is nothing to do.
    fn message(&self, event: &Event, sending: &Sending<'_>, pictures: Vec<Picture>) -> Option<Self::Message>;

    /// Bytes it takes in the window.
    fn size(message: &Self::Message) -> usize;

    /// Where it goes, for the set-aside store.
    fn topic(message: &Self::Message) -> Option<String>;

    /// Whether a set-aside record needs its pictures with it.
    fn keeps_pictures(&self) -> bool;
}

pub struct ToMqtt(pub Arc<Router>);

pub struct ToKafka(pub Arc<Router>);

pub struct ToStore(pub Arc<Router>);

/// What the two buses have in common: references wait for the store, inline pictures are read from the queue.
macro_rules! bus {
    ($name:ident, $render:ident, $poison:expr $(, $act_before:item)?) => {
        impl Render for $name {
            type Message = Message;

            const POISON: Poison = $poison;

            $($act_before)?

            fn waits(&self, event: &Event) -> Option<PictureWait> {
                self.0.stores(event).then(|| self.0.picture_wait(event.person_type))
            }

            fn needs_pictures(&self, event: &Event) -> bool {
                self.0.wants_inline(event.person_type) && self.0.stores(event)
            }

            /// The reference still says where the picture is to be found.
            fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection> {
                tracing::warn!(event.id = %event.id, %error, "pictures could not be read back, the event goes without them");
                Ok(Vec::new())
            }

            fn message(&self, event: &Event, sending: &Sending<'_>, pictures: Vec<Picture>) -> Option<Message> {
                self.0.$render(event, &Sending { inline: &pictures, ..*sending })
            }

            fn size(message: &Message) -> usize {
                message.payload.len() + message.topic.len()
            }

            fn topic(message: &Message) -> Option<String> {
                Some(message.topic.clone())
            }

            fn keeps_pictures(&self) -> bool {
                false
            }
        }
    };
}

bus!(
    ToMqtt,
    mqtt,
    Poison::Possible,
    fn act_before(&self, event: &Event, replay: Option<&str>) -> Option<Timestamp> {
        self.0.act_before(event, replay)
    }
);
bus!(ToKafka, kafka, Poison::Impossible);

impl Render for ToStore {
    type Message = Vec<Object>;

    const POISON: Poison = Poison::Impossible;

    fn waits(&self, _event: &Event) -> Option<PictureWait> {
        None
    }

    fn needs_pictures(&self, event: &Event) -> bool {
        self.0.stores(event)
    }

    /// Not one of them will come: `missing`, with the reason in the set-aside store.
    fn without_pictures(&self, event: &Event, error: String) -> Result<Vec<Picture>, Rejection> {
        let mut missing = PictureSet::default();
        event.pictures.iter().for_each(|(kind, _)| missing.insert(kind));
        let verdict = PictureVerdict { missing, ..PictureVerdict::default() };
        Err(Rejection { reason: Reason::Unreadable, detail: error, verdict })
    }

    fn message(&self, event: &Event, _sending: &Sending<'_>, pictures: Vec<Picture>) -> Option<Vec<Object>> {
        Some(self.0.objects(event, pictures)).filter(|objects| !objects.is_empty())
    }

    fn size(message: &Vec<Object>) -> usize {
        message.iter().map(|object| object.bytes.len()).sum()
    }

    fn topic(_message: &Vec<Object>) -> Option<String> {
        None
    }

    fn keeps_pictures(&self) -> bool {
        true
    }
}
