//! What `boxbridge reconcile` can be told, and what the verdict looks like on the way out.

use std::path::PathBuf;
use std::time::Duration;

use boxbridge_config::Layers;
use boxbridge_event::Timestamp;

use super::report::Report;

/// Compare what was acknowledged with what arrived
///
/// Listens to MQTT and Kafka as a subscriber would, looks into the picture store, and holds both against the ledger of
/// `boxbridge simulate`: what is lost, duplicated, reordered, late, pending, dangling, or not what was sent.
///
/// MQTT keeps nothing for who comes late, so start this before the run; it says when it is ready, and judges when nothing has
/// come for a while. Kafka and the store can be read at any time. Whatever is listened to goes into a recording, which can be
/// judged again without listening. Addresses, TLS, passwords and routes come from the gateway's own --config.
///
/// Exit code 1 if anything acknowledged is lost, if a message names a picture that is not there (dangling), if anything is
/// other than it was sent (wrong), or if something that nobody may act on was on a live topic (stale); 69 if there is no
/// verdict, since a broker, the store or a file could not be used.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  In one terminal, before the run; it judges 10 s after the last message:
    boxbridge reconcile --config site.toml --mqtt --kafka --store --ledger run.jsonl
  In another:
    boxbridge simulate --rate 100 --duration 10m --ledger run.jsonl

  Afterwards, from Kafka and the store alone:
    boxbridge reconcile --kafka 127.0.0.1:9092 --store s3://faces --set send.store.endpoint=http://127.0.0.1:9000 --ledger run.jsonl
  Record now (until Ctrl-C), judge later:
    boxbridge reconcile --mqtt mqtt://127.0.0.1:1883 --record mqtt.jsonl --until-quiet 0s
    boxbridge reconcile --arrivals mqtt.jsonl --store --ledger run.jsonl --json

A broker drops messages for a subscriber that is too slow for it (mosquitto: over max_queued_messages, 1000): give it room
for the rate you send, or what the broker dropped counts as lost.

Memory: about 160 bytes an event of the ledger, so 1.6 GB for 10 million. Recordings are read line by line.")]
pub struct Options {
    /// What simulate wrote; read when the listening is over. May be given several times
    #[arg(long, value_name = "FILE")]
    pub ledger: Vec<PathBuf>,
    /// Recordings to judge besides what is listened to
    #[arg(long, value_name = "FILE")]
    pub arrivals: Vec<PathBuf>,
    /// Where what is listened to is written, replacing what the file held; default: the ledger's name with .arrivals behind it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Listen to MQTT, at the config's broker or at this one
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub mqtt: Option<String>,
    /// MQTT filters to subscribe to; default: what the routes publish to
    #[arg(long, value_name = "FILTER")]
    pub topic: Vec<String>,
    /// Read Kafka, at the config's brokers or at these
    #[arg(long, value_name = "BROKERS", num_args = 0..=1, default_missing_value = "")]
    pub kafka: Option<String>,
    /// Read Kafka from this time on (RFC 3339); default: one minute before the ledger begins, or now if there is none yet
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Look into the picture store, the config's or this one
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub store: Option<String>,
    /// How many pictures to read and compare byte for byte; of the others only the size is compared
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub read: u64,
    /// Judge when nothing has come for this long after the first message; 0s = listen until Ctrl-C or --for
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub until_quiet: Duration,
    /// Listen for at most this long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub at_most: Option<Duration>,
    /// Exit code 1 also for duplicates, disorder, events nobody sent, and pictures that are pending or given up
    #[arg(long)]
    pub strict: bool,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// The gateway's settings, with the addresses given here over them.
    pub(super) fn over(&self, mut layers: Layers) -> Layers {
        let addresses = [
            ("send.mqtt.url", &self.mqtt),
            ("send.kafka.brokers", &self.kafka),
            ("send.store.url", &self.store),
        ];
        let addresses = addresses.into_iter();
        let given = addresses.filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)));
        layers
            .flags
            .extend(given.filter(|(_, value)| !value.is_empty()));
        layers
    }

    /// Whether this verdict is a success under these options.
    pub fn accepts(&self, report: &Report) -> bool {
        let is_judged = report.sent > 0 || self.ledger.is_empty();
        let passes = if self.strict {
            report.passes_strictly()
        } else {
            report.passes()
        };
        is_judged && passes
    }

    /// What the verdict looks like on the way out.
    pub fn render(&self, report: &Report) -> String {
        let verdict = match self.strict && report.passes() && !report.passes_strictly() {
            true => "FAILED: --strict",
            false => report.verdict(),
        };

        if self.json {
            let mut json = serde_json::to_value(report).unwrap_or_default();
            if let Some(members) = json.as_object_mut() {
                members.insert("verdict".to_owned(), verdict.into());
            }
            return json.to_string();
        }

        let text = report.to_string();
        text.strip_suffix(report.verdict())
            .map(|table| format!("{table}{verdict}"))
            .unwrap_or(text)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    boxbridge_config::duration(text)
        .ok_or_else(|| "must be a duration such as 500ms, 10s or 5m".to_owned())
}
