//! What a sender is told: a receipt, or a refusal that is read three times, as HTTP status, as `code` of the answer and as metric label.

use crate::{EventId, Feed, Timestamp};

mod box_pass;

pub use box_pass::{Authenticated, BoxPass};

/// A request or an element of one that is not accepted, with what its sender needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    /// What failed and with which value; never a value of a person's.
    pub message: String,
    /// Dotted path of the field, where one is to blame.
    pub field: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal $word:literal,)+) => {
        /// Every reason there is. A new one needs a status, a word, and a line in the table of docs/boxes.md.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant,)+ }

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $word,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }
        }
    };
}

codes! {
    /// The request line or a header breaks RFC 9112.
    RequestInvalid = 400 "request_invalid",
    /// Plain HTTP came to the port that speaks TLS.
    TlsWanted = 400 "tls_wanted",
    /// No TLS handshake came about: it ends without an answer.
    TlsFailed = 400 "tls_failed",
    /// A trusted proxy's connection does not begin with a PROXY header: it ends without an answer.
    ProxyHeaderInvalid = 400 "proxy_header_invalid",
    BodyEmpty = 400 "body_empty",
    JsonInvalid = 400 "json_invalid",
    JsonTooDeep = 400 "json_too_deep",
    /// Not UTF-8, and no JSON in any other reading.
    EncodingInvalid = 400 "encoding_invalid",
    /// The connection shows no certificate of those that let a box in.
    CertificateMissing = 401 "certificate_missing",
    /// No token is shown, where one has to be.
    TokenMissing = 401 "token_missing",
    /// The token opens nothing: it never did, or was revoked; or two different ones are shown.
    TokenWrong = 401 "token_wrong",
    TokenExpired = 401 "token_expired",
    /// `Origin` of a browser: nothing here is meant for one.
    OriginForbidden = 403 "origin_forbidden",
    /// Not from a network that boxes may send from.
    SourceForbidden = 403 "source_forbidden",
    /// The token or certificate is for another device.
    DeviceForbidden = 403 "device_forbidden",
    PathUnknown = 404 "path_unknown",
    MethodNotAllowed = 405 "method_not_allowed",
    /// The body did not arrive in time.
    BodyTimeout = 408 "body_timeout",
    BodyTooLarge = 413 "body_too_large",
    UriTooLong = 414 "uri_too_long",
    MediaTypeUnsupported = 415 "media_type_unsupported",
    ContentEncodingUnsupported = 415 "content_encoding_unsupported",
    /// JSON, but no dialect claims it.
    EventUnrecognized = 422 "event_unrecognized",
    TooManyEvents = 422 "too_many_events",
    TooManyPictures = 422 "too_many_pictures",
    /// This source was not let in again and again.
    TooManyFailures = 429 "too_many_failures",
    /// This source has its share of the bytes in flight.
    SourceOverBudget = 429 "source_over_budget",
    HeadersTooLarge = 431 "headers_too_large",
    TransferEncodingUnknown = 501 "transfer_encoding_unknown",
    ConnectUnsupported = 501 "connect_unsupported",
    /// A fault of ours in the middle of the work on it.
    Fault = 503 "fault",
    OverBudget = 503 "over_budget",
    /// Another history body is being read; the box comes again.
    HistoryBusy = 503 "history_busy",
    QueueFull = 503 "queue_full",
    /// The disk does not take it at the moment: no descriptor, no memory, no quota.
    QueueRefused = 503 "queue_refused",
    QueuePoisoned = 503 "queue_poisoned",
    /// Not durable in time; it commits all the same, so it is accepted.
    AnswerLate = 503 "answer_late",
    /// History that is on disk, and not in time where it has to be besides: it is accepted, and comes again.
    NotConfirmed = 503 "not_confirmed",
    /// A history body that could not be understood found no room in quarantine.
    QuarantineFull = 503 "quarantine_full",
    Draining = 503 "draining",
}

impl Code {
    /// Whether it says "come again" and not "never": pressure, not content. A fault of ours comes again with the same body.
    pub const fn is_pressure(self) -> bool {
        matches!(self.status(), 429 | 503) && !matches!(self, Code::Fault)
    }
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
            field: None,
        }
    }

    pub fn at(code: Code, field: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
            field: Some(field.into()),
        }
    }
}

/// Who sent a request and how, as far as events and quarantine need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The peer's address, without the port.
    pub peer: String,
    pub feed: Feed,
    /// That of its pass, else `?site=` of the URL, unchecked.
    pub site: Option<String>,
    /// `?box=` of the URL, unchecked.
    pub box_id: Option<String>,
    /// `charset` of the Content-Type, unchecked.
    pub charset: Option<String>,
    /// When the last byte of the body had arrived.
    pub received_at: Timestamp,
    pub pass: BoxPass,
}

impl Source {
    /// Whose share it takes.
    pub fn share_key(&self) -> super::ShareKey {
        super::ShareKey::of_peer(&self.peer).with_pass(self.pass.number)
    }

    /// Whether it may send events of this device.
    pub fn may_tell_of(&self, device: &str) -> Result<(), Refusal> {
        match &self.pass.device {
            Some(only) if only != device => {
                let by = self.pass.authenticated.as_str();
                let message = format!(
                    "the {by} of this box is for events of {only}, and this one is of {device}"
                );
                Err(Refusal::new(Code::DeviceForbidden, message))
            }
            _ => Ok(()),
        }
    }
}

/// What the sender of an accepted event is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    pub event_id: EventId,
    /// The same event had been accepted before; it is not delivered again.
    pub is_duplicate: bool,
    /// The event the way the vendor's document prints it, pictures blanked.
    pub document: serde_json::Map<String, serde_json::Value>,
}

/// The answer to a body that was read: one part per event in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    One(Receipt),
    /// A body that was an array, in its order; one part at least was taken or is in quarantine.
    Many(Vec<Result<Receipt, Refusal>>),
    /// History that was not understood and lies in quarantine: the box must not send it again.
    Quarantined(Refusal),
    /// A status report.
    Status,
}
