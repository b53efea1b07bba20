//! librdkafka's callbacks: delivery reports, errors and log lines.
//!
//! Promises: never blocks librdkafka's thread; the channel of the reports holds as many as the producer holds messages. Log lines
//! go to `tracing` at debug, at most a few a second, whatever storm the brokers raise.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use tokio::sync::mpsc;

use super::Shared;
use super::client::as_asked;
use boxbridge_connect::token::Tokens;
use boxbridge_event::Sequence;

/// The end of a message, or of the producer.
pub(super) enum Report {
    Delivered(Sequence),
    Failed {
        sequence: Sequence,
        code: RDKafkaErrorCode,
        bytes: usize,
    },
    /// The producer can do nothing more.
    Fatal(String),
}

/// Our side of a client: where its callbacks go.
pub(super) struct Listener {
    /// `None` for clients that only ask.
    reports: Option<mpsc::Sender<Report>>,
    tokens: Option<Arc<Tokens>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last thing that went wrong, in librdkafka's words.
    error: Option<String>,
    /// Whether that was a refusal that will not change by waiting: wrong password, untrusted certificate.
    refused: bool,
    /// When the present second of log lines began, and how many it has had.
    second: Option<Instant>,
    lines: u32,
}

const NO_CONNECTION: &str = "no connection came about";
/// The end of a connection, in librdkafka's log.
const FAILED: &str = "FAIL";
/// Log lines that are passed on per second.
const LINES_PER_SECOND: u32 = 5;

impl Shared {
    /// `None`: the client only asks.
    pub(super) fn listener(&self, reports: Option<mpsc::Sender<Report>>) -> Listener {
        Listener {
            reports,
            tokens: self.tokens.clone(),
            state: Mutex::default(),
        }
    }
}

impl Listener {
    /// The last thing that went wrong.
    pub(super) fn error(&self) -> Option<String> {
        self.state().error.clone()
    }

    /// The same, as the end of a sentence.
    pub(super) fn last_error(&self) -> String {
        self.error()
            .map_or_else(String::new, |cause| format!(", last error: {cause}"))
    }

    pub(super) fn is_refused(&self) -> bool {
        self.state().refused
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn report(&self, report: Report) {
        if let Some(reports) = &self.reports {
            // Closed when the session is gone. Never full: it is longer than the producer's queue, and `Fatal` comes once.
            let _ = reports.try_send(report);
        }
    }
}

impl ClientContext for Listener {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref();
        let tokens = tokens.ok_or("nobody lends one")?;
        Ok(as_asked(&tokens.show()?))
    }

    fn log(&self, _: RDKafkaLogLevel, facility: &str, line: &str) {
        let mut state = self.state();
        if facility == FAILED {
            state.hung_up(line);
        }

        let is_room = state.is_room_for_a_line();
        drop(state);
        if is_room {
            tracing::debug!(target: "boxbridge::kafka", facility, "{line}");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        self.state().failed(code, reason);
        if code == Some(RDKafkaErrorCode::Fatal) {
            self.report(Report::Fatal(reason.to_owned()));
        }
    }
}

impl State {
    fn is_room_for_a_line(&mut self) -> bool {
        let is_over = |second: Instant| second.elapsed() >= Duration::from_secs(1);
        if self.second.is_none_or(is_over) {
            self.second = Some(Instant::now());
            self.lines = 0;
        }
        self.lines += 1;
        self.lines <= LINES_PER_SECOND
    }

    /// A broker that hangs up is no error to librdkafka, and only its log says what that may mean. It begins with the name of a thread.
    fn hung_up(&mut self, line: &str) {
        if self.error.as_deref().is_none_or(|it| it == NO_CONNECTION) {
            let words = line.split_once("]: ").map_or(line, |(_, words)| words);
            self.error = Some(lasting(words));
        }
    }

    fn failed(&mut self, code: Option<RDKafkaErrorCode>, reason: &str) {
        // It follows the error that says why, and must not hide it. How many brokers are down is counted too late: "0/1 brokers are down".
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.error = Some(lasting(reason));
        } else if self.error.is_none() {
            self.error = Some(NO_CONNECTION.to_owned());
        }
        self.refused |= matches!(
            code,
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL)
        );
    }
}

/// A broker that hangs up is seen where we read, or where we write.
const HANGING_UP: [&str; 4] = [
    "Disconnected: connection closed by peer",
    "Send failed: Broken pipe",
    "Send failed: Connection reset by peer",
    "Receive failed: Connection reset by peer",
];

/// Without the end, which is another one each time: `(after 3ms in state UP, 2 identical error(s) suppressed)`.
fn lasting(words: &str) -> String {
    let words = words
        .split_once(" (after ")
        .map_or(words, |(words, _)| words);
    let mut hanging_up = HANGING_UP.iter().filter_map(|it| words.split_once(it));
    match hanging_up.next() {
        Some((who, _)) => format!("{who}{}", HANGING_UP[0]),
        None => words.to_owned(),
    }
}

/// For a consumer that only asks.
impl ConsumerContext for Listener {}

impl ProducerContext for Listener {
    /// The record's sequence; 64 bits on every platform that has `fdatasync`.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sequence: usize) {
        let sequence = Sequence(sequence as u64);
        self.report(match result {
            Ok(_) => Report::Delivered(sequence),
            Err((error, message)) => Report::Failed {
                sequence,
                code: error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail),
                bytes: message.payload_len() + message.key_len(),
            },
        });
    }
}
