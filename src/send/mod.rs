//! Messages → the world; each destination at its own speed.
//!
//! A destination is where records go (a broker, a cluster, a store); it does not know by which name. A session is one connection of ours to it,
//! for one lane. Promises: every submitted sequence is answered, or [`Lost`] stands for all that were not; a session never resends by itself.
//! Deliberately knows nothing of cursors and routes: `gateway.rs` joins them.

use std::future::Future;

use boxbridge_event::{Lane, PictureVerdict, Sequence};

/// A place that records are delivered to.
pub trait Destination: Send + Sync + 'static {
    /// What it takes: [`boxbridge_event::Message`] or a record's [`boxbridge_event::Object`]s.
    type Message: Send + 'static;
    type Session: Session<Message = Self::Message>;

    /// One connection for one lane. Bounded in time by the destination's own settings.
    fn connect(
        &self,
        lane: Lane,
    ) -> impl Future<Output = Result<Self::Session, ConnectError>> + Send;

    /// What it has seen that will refuse records, before there is one. A sentence for people; nothing where all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// One connection for one lane. Dropping it abandons what has no answer yet.
pub trait Session: Send {
    type Message;

    /// How much may be submitted and not yet answered, as far as the other side limits it. The caller takes the smaller of this and its own
    /// settings.
    fn window(&self) -> window::Limits;

    /// Hands over one record's message. Never waits: the caller keeps within [`Session::window`]. What cannot be sent at all is
    /// answered `Rejected` by [`Session::next`].
    fn submit(&mut self, sequence: Sequence, message: Self::Message);

    /// The next answer. Cancel-safe: dropping the future loses no answer. After [`Lost`] the session is over.
    fn next(&mut self) -> impl Future<Output = Result<Answer, Lost>> + Send;

    /// An operator has removed the cause of refusals: limits that were learned from them count no more.
    fn resumed(&mut self) {}

    /// Says goodbye to the other side, where it wants that; for an orderly stop, bounded in time. What was answered meanwhile is there at once by
    /// [`Session::next`]; other records get no answer.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken for good. `heard` is false where the broker says that nobody subscribes (MQTT 5, 0x10).
    Acknowledged { sequence: Sequence, heard: bool },
    /// Not taken, and why.
    Rejected {
        sequence: Sequence,
        rejection: Rejection,
    },
    /// A rule of the config ended it (file store full); the picture state goes with it.
    Expired {
        sequence: Sequence,
        rule: &'static str,
        verdict: PictureVerdict,
    },
}

/// The session is over: nothing more is known of the records without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    pub error: String,
    /// No record is the reason: the other side said so, or we gave up waiting.
    pub is_explained: bool,
}

impl Lost {
    /// A record may be the reason.
    pub fn unexplained(error: impl Into<String>) -> Lost {
        Lost {
            error: error.into(),
            is_explained: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// The other side's own words or code; goes into the set-aside record.
    pub detail: String,
    /// For the store: which pictures will not come.
    pub verdict: PictureVerdict,
}

/// Why a record was not taken. The word is the metric label and the reason in the set-aside store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    TooLarge,
    NotAuthorised,
    TopicInvalid,
    PayloadRefused,
    /// Refused for good by the store.
    Missing,
    /// The connection died on it alone, again and again, and not on others of its kind.
    Poison,
    /// Could not be read back from the queue whole.
    Unreadable,
    /// It was set aside, and by its route of today nothing of it goes there.
    Unrouted,
    /// Over quota, no room, leader moving: the same record may pass later.
    Passing,
    /// Its topic does not take what we send, or answers nothing. No record is at fault: all of its kind wait, and no other.
    TopicUnfit,
    /// The other side will not say: one of the above.
    Unexplained,
}

impl Reason {
    /// The same record may be taken later, so it is tried again and not set aside.
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Reason::Passing | Reason::TopicUnfit | Reason::Unexplained
        )
    }

    /// Judged by its content. Where everything is refused so, it is a matter of settings.
    pub const fn is_about_its_content(self) -> bool {
        matches!(self, Reason::TooLarge | Reason::PayloadRefused)
    }

    /// The record itself is refused, wherever it goes: the next one may well be taken.
    pub const fn is_about_the_record(self) -> bool {
        matches!(
            self,
            Reason::TooLarge
                | Reason::PayloadRefused
                | Reason::Missing
                | Reason::Poison
                | Reason::Unreadable
                | Reason::Unrouted
        )
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::TooLarge => "too_large",
            Reason::NotAuthorised => "not_authorised",
            Reason::TopicInvalid => "topic_invalid",
            Reason::PayloadRefused => "payload_refused",
            Reason::Missing => "missing",
            Reason::Poison => "poison",
            Reason::Unreadable => "unreadable",
            Reason::Unrouted => "unrouted",
            Reason::Passing => "passing",
            Reason::TopicUnfit => "topic_unfit",
            Reason::Unexplained => "unexplained",
        }
    }
}

/// A session that did not come about.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectError {
    /// What failed, without secrets.
    pub message: String,
}

/// Messages name the settings of the destination that is called like its kind: of another name, this names its own.
pub fn said_of(name: &str, kind: &str, text: String) -> String {
    if name == kind {
        return text;
    }
    text.replace(&format!("send.{kind}."), &format!("send.{name}."))
        .replace(&format!("[send.{kind}]"), &format!("[send.{name}]"))
}

pub mod board;
pub mod contact;
pub mod embedded;
pub mod kafka;
pub mod mqtt;
mod patience;
pub mod store;
pub mod window;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_section_and_the_settings_of_its_own_destination() {
        let said = "another name than [send.mqtt] gives, send.mqtt.username, send.stall_timeout";
        assert_eq!(said_of("mqtt", "mqtt", said.to_owned()), said);
        assert_eq!(
            said_of("hq", "mqtt", said.to_owned()),
            "another name than [send.hq] gives, send.hq.username, send.stall_timeout"
        );
    }
}
