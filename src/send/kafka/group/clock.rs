//! Whether this gateway's clock and the brokers' agree: a record into a topic that bears the broker's time, every minute.
//!
//! Promises: what is not known to agree does not; a comparison holds for a few minutes. Deliberately asks nobody else: the brokers' clock is the
//! one that all gateways of a group share.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use crate::send::kafka::batch::BATCH_BYTES;
use crate::send::kafka::client::milliseconds;
use crate::send::kafka::report::Listener;
use crate::send::kafka::topics::{self, Keeps, Topic};
use crate::send::kafka::{Kafka, Shared};
use crate::system::fault::Fault;
use boxbridge_event::{Lane, Timestamp};

/// Part of the contract with operators, so no setting.
pub const CLOCK_TOPIC: &str = "boxbridge.clock";

/// Clocks that are kept right differ by far less, and one may act on an event for longer.
const APART_MAX_MS: u64 = 5_000;
pub const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A few that came to nothing.
const HOLDS_FOR: Duration = Duration::from_secs(300);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How far the two are apart, as far as that is known.
#[derive(Default)]
pub struct Clocks(Mutex<State>);

#[derive(Default)]
struct State {
    /// In milliseconds, and when that was found.
    apart: Option<(u64, Instant)>,
    error: Option<String>,
}

impl Clocks {
    /// Whether what is live by this clock is live.
    pub fn agree(&self) -> bool {
        self.0.lock().agree()
    }

    pub fn found(&self, compared: Result<u64, String>) {
        let mut state = self.0.lock();
        match compared {
            Ok(apart) => {
                state.apart = Some((apart, Instant::now()));
                state.error = None;
            }
            Err(error) => state.error = Some(error),
        }
    }

    /// Why events go to their late topics.
    pub fn trouble(&self) -> Option<String> {
        let state = self.0.lock();
        if state.agree() {
            return None;
        }
        let why = match (&state.apart, &state.error) {
            (Some((apart, found)), _) if found.elapsed() < HOLDS_FOR => {
                format!("its clock and the brokers' differ by {} s", apart / 1_000)
            }
            (_, Some(error)) => {
                format!("its clock could not be compared with the brokers': {error}")
            }
            (_, None) => "its clock is not compared with the brokers' yet".to_owned(),
        };
        Some(format!("{why}: every event goes to its late topic"))
    }
}

impl State {
    fn agree(&self) -> bool {
        self.apart
            .is_some_and(|(apart, found)| apart <= APART_MAX_MS && found.elapsed() < HOLDS_FOR)
    }
}

impl Kafka {
    /// By how many milliseconds the clocks differ at least.
    pub async fn compare_clocks(&self) -> Result<u64, String> {
        let (shared, name) = (Arc::clone(&self.shared), CLOCK_TOPIC.to_owned());
        let found =
            topics::look_up_for(&shared, vec![name], shared.missing(), Keeps::BrokersTime).await;
        let found = found.map_err(|error| error.message)?;
        if let Some(Topic::Refused { detail, .. }) = found.topics.get(CLOCK_TOPIC) {
            return Err(detail.clone());
        }

        let compared = tokio::task::spawn_blocking(move || compare(&shared)).await;
        compared.unwrap_or_else(|_| Err(Fault.to_string()))
    }
}

/// On a thread that may block.
fn compare(shared: &Shared) -> Result<u64, String> {
    let mut settings = shared.producer(Lane::Urgent, BATCH_BYTES);
    settings
        .set("client.id", "boxbridge-clock")
        .set("message.timeout.ms", milliseconds(ANSWER_WITHIN));
    let failed = |error: KafkaError| format!("topic {CLOCK_TOPIC}: {error}");
    let producer: BaseProducer<Answer> = settings
        .create_with_context(Answer::of(shared))
        .map_err(failed)?;

    let before = Timestamp::now();
    let record = BaseRecord::<str, [u8]>::to(CLOCK_TOPIC).payload(b"{}");
    producer.send(record).map_err(|(error, _)| failed(error))?;
    let deadline = Instant::now() + 2 * ANSWER_WITHIN;
    loop {
        producer.poll(Duration::from_millis(100));
        // A clock that is set meanwhile makes them differ once.
        let after = Timestamp::now();
        match producer.client().context().at.lock().take() {
            Some(answer) => return answer.map(|at| apart(before, at, after)),
            None if Instant::now() > deadline => {
                return Err(format!("topic {CLOCK_TOPIC}: no answer"));
            }
            None => {}
        }
    }
}

/// How far the broker's moment is from all that ours can have been.
fn apart(before: Timestamp, at: Timestamp, after: Timestamp) -> u64 {
    let nearest = at.0.clamp(before.0, after.0.max(before.0));
    at.0.abs_diff(nearest)
}

/// When the broker wrote the record.
struct Answer {
    listener: Listener,
    at: Mutex<Option<Result<Timestamp, String>>>,
}

impl Answer {
    fn of(shared: &Shared) -> Answer {
        Answer {
            listener: shared.listener(None),
            at: Mutex::default(),
        }
    }
}

impl ClientContext for Answer {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.listener.generate_oauth_token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.listener.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        ClientContext::error(&self.listener, error, reason);
    }
}

impl ProducerContext for Answer {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let at = match result {
            Err((error, _)) => Err(format!("topic {CLOCK_TOPIC}: {error}")),
            Ok(message) => match message.timestamp() {
                rdkafka::Timestamp::LogAppendTime(at) => Ok(Timestamp(at)),
                _ => Err(format!(
                    "set message.timestamp.type of topic {CLOCK_TOPIC} to LogAppendTime"
                )),
            },
        };
        self.at.lock().replace(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_only_while_it_is_known() {
        let clocks = Clocks::default();
        assert!(!clocks.agree() && clocks.trouble().unwrap().contains("not compared"));
        clocks.found(Err("no right".to_owned()));
        assert!(clocks.trouble().unwrap().contains("no right"));

        clocks.found(Ok(5_000));
        assert!(clocks.agree() && clocks.trouble().is_none());
        clocks.found(Err("down".to_owned()));
        assert!(clocks.agree(), "one that came to nothing changes nothing");
        clocks.found(Ok(5_001));
        assert!(!clocks.agree() && clocks.trouble().unwrap().contains("differ by 5 s"));
    }

    #[test]
    fn they_differ_by_what_the_way_does_not_explain() {
        let apart = |before, at, after| apart(Timestamp(before), Timestamp(at), Timestamp(after));
        assert_eq!(apart(100, 150, 200), 0);
        assert_eq!(apart(100, 90, 200), 10);
        assert_eq!(apart(100, 250, 200), 50);
        assert_eq!(apart(200, 150, 100), 50);
    }
}
