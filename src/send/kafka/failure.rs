//! The cause of a failed produce, and so the remedy: for every code with which the brokers or librdkafka answer a message.
//!
//! Promises: only an error about the record itself ends it; an error that passes is tried again. One topic's trouble holds back that topic: a setting
//! that brokers judge topic by topic counts as this topic's, even if it may concern all of them. The destination is held back only for causes that no
//! topic decides: our rights in the cluster, our login, the age of the brokers. Either way the setting is named. A code that we do not know gets
//! the mildest reading: of a broker as passing, of librdkafka as the end of this producer.

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::send::Reason;
use boxbridge_event::Timestamp;

/// The cause of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// This record, now and later.
    Record(Reason),
    /// The size of the record, or of its batch.
    Size,
    /// Its topic: our right to it, or its name; with a remedy.
    Topic(Reason, &'static str),
    /// Its topic is not there.
    Missing,
    /// Its timestamp: our clock, or the topic's limits.
    Time,
    /// Nothing that lasts, or nothing that we know to last.
    Passing,
    /// The settings of this topic and ours do not agree; with a remedy.
    TopicSettings(&'static str),
    /// The settings of the cluster and ours do not agree, whatever the topic; with a remedy.
    Cluster(&'static str),
    /// This producer: no message of it can be relied on now.
    Producer,
}

/// A timestamp that is no older is one of now, as far as limits of brokers go: they are hours and days.
const FRESH_MS: i64 = 60_000;

pub(super) const WRITE: &str =
    " (allow Write and Describe on it to the user of send.kafka.username)";
pub(super) const LOGIN: &str = "send.kafka.username, and its password or password_file";
pub(super) const TOKEN: &str = "send.kafka.oauth_url, username, and its password or password_file";
pub(super) const MECHANISM: &str = "send.kafka.sasl_mechanism";
pub(super) const SECURITY: &str = "send.kafka.security";
const COMPRESSION: &str =
    "send.kafka.compression: set it to \"none\", or to what all brokers and this topic take";
/// Kafka says it of a topic whose messages cannot have headers; brokers of other makes say it of a compression they do not know.
const OLD_FORMAT: &str = "set message.format.version of this topic to 0.11 or newer (it takes no record headers), or send.kafka.compression to \"none\"";
const IDEMPOTENCE: &str = "idempotent writes are needed, so that nothing is lost or overtaken: allow IdempotentWrite on the cluster to the user of send.kafka.username";
const TOO_OLD: &str =
    "brokers from Kafka 0.11 on are needed, with idempotent producers and record headers";

pub(super) fn about(code: Code) -> About {
    match code {
        Code::InvalidRecord | Code::PolicyViolation => About::Record(Reason::PayloadRefused),
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => About::Size,

        Code::TopicAuthorizationFailed => About::Topic(Reason::NotAuthorised, WRITE),
        Code::InvalidTopic => About::Topic(Reason::TopicInvalid, ""),
        Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::UnknownTopicId => About::Missing,

        Code::InvalidTimestamp => About::Time,

        Code::UnsupportedCompressionType | Code::BadCompression | Code::InvalidRequest => {
            About::TopicSettings(COMPRESSION)
        }
        Code::UnsupportedForMessageFormat => About::TopicSettings(OLD_FORMAT),

        Code::ClusterAuthorizationFailed | Code::TransactionalIdAuthorizationFailed => {
            About::Cluster(IDEMPOTENCE)
        }
        Code::UnsupportedVersion | Code::UnsupportedFeature | Code::NotImplemented => {
            About::Cluster(TOO_OLD)
        }
        Code::InvalidRequiredAcks => {
            About::Cluster("the brokers do not take acks=all, without which nothing is safe")
        }
        Code::SaslAuthenticationFailed => About::Cluster(LOGIN),
        Code::UnsupportedSASLMechanism => About::Cluster(MECHANISM),
        Code::IllegalSASLState | Code::SecurityDisabled => About::Cluster(SECURITY),

        Code::OutOfOrderSequenceNumber
        | Code::DuplicateSequenceNumber
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::UnknownProducerId
        | Code::ProducerFenced
        | Code::InvalidTransactionalState => About::Producer,

        // Full for the moment; another record of the batch was the bad one; the broker's own room for messages.
        Code::QueueFull | Code::InvalidDifferentRecord => About::Passing,
        code if is_of_broker(code) => About::Passing,
        _ => About::Producer,
    }
}

/// Why a timestamp was refused: a fresh one says that our clock and the brokers' do not agree; an old one, that this topic takes no backlog.
pub(super) fn out_of_time(topic: &str, timestamp: Timestamp) -> String {
    let now = Timestamp::now();
    if now.since(timestamp) > FRESH_MS {
        return format!(
            "the event of {timestamp} is older than message.timestamp.before.max.ms of {topic} allows"
        );
    }
    format!(
        "this gateway's clock says {now}; set it right, or the brokers' clocks, or message.timestamp.after.max.ms and before.max.ms of {topic}"
    )
}

/// librdkafka's own codes are below; [`Code::Unknown`] is a broker that does not know either.
fn is_of_broker(code: Code) -> bool {
    code as i32 >= Code::Unknown as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_a_record_ends_it() {
        for code in [Code::InvalidRecord, Code::PolicyViolation] {
            assert_eq!(about(code), About::Record(Reason::PayloadRefused), "{code}");
        }

        // Corrupted on its way, no room, no quota, no leader, no reason: it may pass, however often it did not.
        for code in [
            Code::InvalidMessage,
            Code::KafkaStorageError,
            Code::ThrottlingQuotaExceeded,
            Code::NotLeaderForPartition,
            Code::NotEnoughReplicas,
            Code::RequestTimedOut,
            Code::Unknown,
            Code::QueueFull,
            Code::InvalidDifferentRecord,
        ] {
            assert_eq!(about(code), About::Passing, "{code}");
        }

        for code in [
            Code::OutOfOrderSequenceNumber,
            Code::InvalidProducerEpoch,
            Code::PurgeQueue,
            Code::Fatal,
            Code::Fenced,
        ] {
            assert_eq!(about(code), About::Producer, "{code}");
        }
    }

    #[test]
    fn what_is_about_one_topic_holds_back_no_other_and_names_what_to_look_at() {
        for code in [
            Code::UnsupportedCompressionType,
            Code::BadCompression,
            Code::InvalidRequest,
            Code::UnsupportedForMessageFormat,
        ] {
            let About::TopicSettings(hint) = about(code) else {
                panic!("{code}: {:?}", about(code))
            };
            assert!(hint.contains("send.kafka.compression"), "{code}");
        }

        let About::TopicSettings(hint) = about(Code::UnsupportedForMessageFormat) else {
            panic!("not the topic's")
        };
        assert!(
            hint.contains("message.format.version of this topic"),
            "{hint}"
        );
        assert_eq!(about(Code::InvalidTimestamp), About::Time);
    }

    #[test]
    fn what_no_topic_decides_names_what_to_look_at() {
        let hint = |code| match about(code) {
            About::Cluster(hint) => hint,
            other => panic!("{code}: {other:?}"),
        };

        for code in [
            Code::ClusterAuthorizationFailed,
            Code::TransactionalIdAuthorizationFailed,
        ] {
            assert!(
                hint(code).contains("IdempotentWrite")
                    && hint(code).contains("send.kafka.username"),
                "{code}"
            );
        }
        assert!(hint(Code::UnsupportedVersion).contains("Kafka 0.11"));
    }
}
