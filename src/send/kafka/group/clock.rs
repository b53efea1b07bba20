//! Whether this gateway's clock and the brokers' agree: a record into a topic that bears the broker's time, every minute.
//!
//! Promises: what is not known to agree does not; a comparison holds for a few minutes, unless our clock is set meanwhile. Deliberately asks nobody
//! else: the brokers' clock is the one that all gateways of a group share.

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
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A few that came to nothing.
const HOLDS_FOR: Duration = Duration::from_secs(300);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How far the two are apart, as far as that is known.
#[derive(Default)]
pub struct Clocks(Mutex<State>);

#[derive(Default)]
struct State {
    compared: Option<Compared>,
    /// Of the last attempt.
    error: Option<String>,
}

struct Compared {
    apart_ms: u64,
    now: Now,
}

/// Ours, by the clock that nobody sets and by the one that people read.
#[derive(Clone, Copy)]
struct Now {
    at: Instant,
    clock: Timestamp,
}

impl Clocks {
    /// Whether what is live by this clock is live.
    pub fn agree(&self) -> bool {
        self.0.lock().agree(Now::read())
    }

    /// Whether they are to be compared again: it is time, it came to nothing, or they do not agree.
    pub fn are_due(&self) -> bool {
        self.0.lock().are_due(Now::read())
    }

    pub fn found(&self, compared: Result<u64, String>) {
        self.0.lock().found(compared, Now::read());
    }

    /// Why events go to their late topics.
    pub fn trouble(&self) -> Option<String> {
        self.0.lock().trouble(Now::read())
    }
}

impl Now {
    fn read() -> Now {
        Now {
            at: Instant::now(),
            clock: Timestamp::now(),
        }
    }
}

impl Compared {
    fn holds(&self, now: Now) -> bool {
        now.at.duration_since(self.now.at) < HOLDS_FOR
    }

    /// By as much as they were, and as our clock was set since.
    fn apart_ms(&self, now: Now) -> u64 {
        let passed = now.at.duration_since(self.now.at).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let was_set = now.clock.since(self.now.clock).abs_diff(passed);
        self.apart_ms.saturating_add(was_set)
    }
}

impl State {
    fn agree(&self, now: Now) -> bool {
        let compared = self.compared.as_ref();
        compared.is_some_and(|it| it.holds(now) && it.apart_ms(now) <= APART_MAX_MS)
    }

    fn are_due(&self, now: Now) -> bool {
        let is_time = |it: &Compared| now.at.duration_since(it.now.at) >= COMPARE_EVERY;
        self.error.is_some() || !self.agree(now) || self.compared.as_ref().is_some_and(is_time)
    }

    fn found(&mut self, compared: Result<u64, String>, now: Now) {
        match compared {
            Ok(apart_ms) => {
                self.compared = Some(Compared { apart_ms, now });
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    fn trouble(&self, now: Now) -> Option<String> {
        if self.agree(now) {
            return None;
        }
        let why = match (&self.compared, &self.error) {
            (Some(compared), _) if compared.holds(now) => {
                let apart = compared.apart_ms(now) / 1_000;
                format!("its clock and the brokers' differ by {apart} s")
            }
            (_, Some(error)) => {
                format!("its clock could not be compared with the brokers': {error}")
            }
            (_, None) => "its clock is not compared with the brokers' yet".to_owned(),
        };
        Some(format!("{why}: every event goes to its late topic"))
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
    fn a_clock_that_is_set_agrees_no_more_until_it_is_compared_again() {
        let compared = Now::read();
        let later = |passed: u64, clock: i64| Now {
            at: compared.at + Duration::from_secs(passed),
            clock: Timestamp(compared.clock.0 + clock * 1_000),
        };
        let mut state = State::default();
        state.found(Ok(1_000), compared);

        assert!(state.agree(later(50, 50)) && !state.are_due(later(50, 50)));
        assert!(state.agree(later(50, 54)) && state.agree(later(50, 46)));
        for set in [later(50, 3_650), later(50, -3_550)] {
            assert!(!state.agree(set) && state.are_due(set));
            assert!(state.trouble(set).unwrap().contains("differ by 3601 s"));
        }
        assert!(!state.agree(later(300, 300)), "it does not hold for ever");
    }

    /// What came to nothing while the brokers were away is not to be found out when it is over for long.
    #[test]
    fn they_are_compared_every_minute_and_again_at_once_where_that_came_to_nothing() {
        let compared = Now::read();
        let later = |passed: u64| Now {
            at: compared.at + Duration::from_secs(passed),
            clock: Timestamp(compared.clock.0 + passed as i64 * 1_000),
        };
        let mut state = State::default();
        assert!(state.are_due(compared));
        state.found(Ok(0), compared);
        assert!(!state.are_due(later(59)) && state.are_due(later(60)));

        state.found(Err("down".to_owned()), later(60));
        assert!(state.agree(later(61)) && state.are_due(later(61)));
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
