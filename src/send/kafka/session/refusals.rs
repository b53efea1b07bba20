//! A message that the brokers or librdkafka refuse → an answer, or the end of the session; by the cause (`failure`).
//!
//! Promises: a refusal names the topic, the other side's own words and, where there is one, the setting to look at.

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;

use super::super::failure::{About, about, out_of_time};
use super::super::producer::Producer;
use super::Session;
use super::in_flight::Sent;
use crate::send::{Answer, Reason, Rejection};
use boxbridge_event::{PictureVerdict, Sequence};

impl Session {
    /// Of `bytes` as the report counts them.
    pub(super) fn fail(
        &mut self,
        sequence: Sequence,
        sent: &Sent,
        code: RDKafkaErrorCode,
        bytes: usize,
    ) {
        let topic = sent.topic.as_str();
        let detail = format!("topic {topic}: {code}");

        let (reason, detail) = match about(code) {
            // Where several of a batch were refused, librdkafka says this of each of them, whatever the brokers said: a wrong clock, for one.
            About::Record(_) if !sent.is_alone => {
                self.in_flight.send_one_by_one(topic);
                let why = "(one of a batch): one at a time will show why";
                (Reason::Passing, format!("{detail} {why}"))
            }
            About::Record(reason) => (reason, detail),

            About::Size if self.shared.largest_batch.shrink(bytes) => {
                return self.lose(&format!("{detail} (the batch)"));
            }
            About::Size => (Reason::TooLarge, format!("{detail}: {bytes} bytes")),

            About::Topic(reason, hint) => {
                self.topics.forget(topic);
                (reason, format!("{detail}{hint}"))
            }
            About::Missing => {
                self.topics.forget(topic);
                (self.reason_of_missing(), detail)
            }
            About::TopicSettings(hint) => (Reason::TopicUnfit, format!("{detail}: {hint}")),
            About::Time => {
                let why = out_of_time(topic, sent.timestamp);
                (Reason::TopicUnfit, format!("{detail}: {why}"))
            }
            About::Passing => (Reason::Passing, detail),

            About::Cluster(hint) => return self.refuse_us(&format!("{detail}: {hint}")),
            // A producer without rights gives up all its messages first, and says why behind them.
            About::Producer => return self.fatal(&detail),
        };
        self.reject(sequence, reason, detail);
    }

    /// Where we may make topics, it was deleted under our feet, and the next message makes it again.
    fn reason_of_missing(&self) -> Reason {
        if self.shared.config.create_topics {
            Reason::Passing
        } else {
            Reason::TopicInvalid
        }
    }

    pub(super) fn reject(&mut self, sequence: Sequence, reason: Reason, detail: String) {
        let rejection = Rejection {
            reason,
            detail,
            verdict: PictureVerdict::default(),
        };
        self.answers.push_back(Answer::Rejected {
            sequence,
            rejection,
        });
    }

    /// No record is at fault: everything waits, and one is tried from time to time.
    fn refuse_us(&mut self, detail: &str) {
        self.shared.set_refused(self.lane, true);
        self.lose(detail);
    }

    /// The producer is of no more use; librdkafka may know why.
    pub(super) fn fatal(&mut self, detail: &str) {
        match self.producer.as_ref().and_then(fatal_error) {
            Some(words) => self.refuse_us(&words),
            None => self.lose(detail),
        }
    }
}

/// Why a producer ended for good, where our settings are the cause.
pub(in super::super) fn fatal_error(producer: &Producer) -> Option<String> {
    let (code, words) = producer.client().fatal_error()?;
    match about(code) {
        About::Cluster(hint) => Some(format!("{words}: {hint}")),
        _ => None,
    }
}
