//! What `boxbridge reconcile` can be told, and what the verdict looks like on the way out.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use boxbridge_config::{KAFKA, Layers, MQTT, STORE};
use boxbridge_event::Timestamp;

use super::report::{Report, Strictness};

/// Compare what was acknowledged with what arrived
///
/// Listens to MQTT and Kafka as a subscriber would, looks into the picture stores, and holds them against the ledger of
/// `boxbridge simulate`: what is lost, duplicated, reordered, late, pending, dangling, or not what was sent. Each destination of
/// the config has books of its own, and the last line is the verdict with its reasons.
///
/// MQTT keeps nothing for late subscribers, so start this before the run; it says when it is ready, and judges when nothing has
/// come for a while. Kafka and the stores can be read at any time. Whatever is listened to goes into a recording, which can be
/// judged again without listening. Addresses, TLS, passwords and routes come from the gateway's own --config.
///
/// Exit code 1 if anything acknowledged is lost, if a message names a picture that is not there (dangling), if anything is
/// other than it was sent (wrong), or if something that nobody may act on was on a live topic (stale); 64 if the settings or
/// arguments are wrong; 69 if there is no verdict, since a broker, a store or a file could not be used, a bus was out of reach
/// when the listening ended, or one gave nothing at all while the others have the events.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  In one terminal, before the run; it judges 10 s after the last message:
    boxbridge reconcile --config site.toml --all --ledger run.jsonl
  In another:
    boxbridge simulate --rate 100 --duration 10m --ledger run.jsonl

  Afterwards, from Kafka and the store alone:
    boxbridge reconcile --kafka 127.0.0.1:9092 --store s3://faces --set send.store.endpoint=http://127.0.0.1:9000 --ledger run.jsonl
  Record now (until Ctrl-C), judge later:
    boxbridge reconcile --mqtt mqtt://127.0.0.1:1883 --record mqtt.jsonl --until-quiet 0s
    boxbridge reconcile --arrivals mqtt.jsonl --store --ledger run.jsonl --json

  Destinations of other names, here [send.hq] with its own [route.hq.…]; each has a block of its own in the report:
    boxbridge reconcile --config site.toml --mqtt --destination hq --ledger run.jsonl
  The same without a config: the address tells the kind (mqtt://… is MQTT, host:port is Kafka, s3://… and file://… are stores):
    boxbridge reconcile --destination hq=kafka.hq:9092 --set route.hq.default.kafka_topic=hq.{person_type} --ledger run.jsonl

The user who listens must be allowed to read, and a gateway's own user often may only write: a broker then lets it subscribe and
sends nothing. Let another user listen:
    boxbridge reconcile --all --ledger run.jsonl --set send.mqtt.username=guard --set send.mqtt.password_file=guard.password

A bus that is out of reach is waited for, ten minutes at most (or --for, or Ctrl-C): only then is it quiet.

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
    /// Judge every destination that is on in the config
    #[arg(long)]
    pub all: bool,
    /// Judge the destination of this name, whatever its kind, at the config's address or at this one; may be given several times
    #[arg(long, value_name = "NAME[=ADDRESS]")]
    pub destination: Vec<Named>,
    /// Listen to the destination called mqtt, at the config's broker or at this one
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub mqtt: Option<String>,
    /// MQTT filters to subscribe to, on every MQTT broker; default: what the routes publish to
    #[arg(long, value_name = "FILTER")]
    pub topic: Vec<String>,
    /// Read the destination called kafka, at the config's brokers or at these
    #[arg(long, value_name = "BROKERS", num_args = 0..=1, default_missing_value = "")]
    pub kafka: Option<String>,
    /// Read Kafka from this time on (RFC 3339); default: one minute before the ledger begins, or now if there is none yet
    #[arg(long, value_name = "TIME")]
    pub since: Option<Timestamp>,
    /// Look into the store that messages speak of, the config's or this one
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub store: Option<String>,
    /// How many pictures of each store to read and compare byte for byte; of the others only the size is compared
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub read: u64,
    /// Judge when nothing has come for this long after the first message; 0s = listen until Ctrl-C or --for
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
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

/// A destination to judge: `hq`, or `hq=kafka.hq:9092`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// Instead of the config's.
    pub address: Option<String>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (name, Some(address.to_owned())),
            None => (text, None),
        };
        let named = Named {
            name: name.to_owned(),
            address,
        };

        match named.address.as_deref().is_none_or(|it| kind(it).is_some()) {
            true => Ok(named),
            false => Err(ADDRESSES.to_owned()),
        }
    }
}

const ADDRESSES: &str = "an address is mqtt://… mqtts://… ws://… wss://… for MQTT, host:port,… for Kafka, s3://… or file://… for a store";

/// The kind of destination that has such an address.
fn kind(address: &str) -> Option<&'static str> {
    match address.split_once("://") {
        Some(("mqtt" | "mqtts" | "ws" | "wss", _)) => Some(MQTT),
        Some(("s3" | "file", _)) => Some(STORE),
        Some(_) => None,
        None => Some(KAFKA).filter(|_| !address.is_empty()),
    }
}

impl Options {
    /// The destinations that are asked for by name, in the order of the report.
    pub(super) fn named(&self) -> Vec<Named> {
        let usual = [
            (MQTT, &self.mqtt),
            (KAFKA, &self.kafka),
            (STORE, &self.store),
        ];
        let usual = usual.into_iter().filter_map(|(name, address)| {
            Some(Named {
                name: name.to_owned(),
                address: Some(address.clone()?).filter(|address| !address.is_empty()),
            })
        });
        usual.chain(self.destination.clone()).collect()
    }

    /// The gateway's settings, with the addresses given here over them.
    pub(super) fn over(&self, mut layers: Layers) -> Layers {
        for Named { name, address } in self.named() {
            let Some(address) = address else { continue };
            let is_usual = [MQTT, KAFKA, STORE].contains(&name.as_str());
            let kind = match is_usual {
                true => name.clone(),
                false => kind(&address).unwrap_or_default().to_owned(),
            };

            let key = if kind == KAFKA { "brokers" } else { "url" };
            let setting = |key: &str, value| (format!("send.{name}.{key}"), value);
            layers.flags.push(setting(key, address));
            layers.flags.push(setting("kind", kind));
        }
        layers
    }

    /// Whether there is neither success nor failure to speak of.
    pub fn is_undecided(&self, report: &Report) -> bool {
        report.sent > 0 && report.is_undecided(self.strictness())
    }

    fn strictness(&self) -> Strictness {
        match self.strict {
            true => Strictness::Strict,
            false => Strictness::Usual,
        }
    }

    /// Whether this verdict is a success under these options.
    pub fn accepts(&self, report: &Report) -> bool {
        let is_judged = report.sent > 0 || self.ledger.is_empty();
        let passes = match self.strictness() {
            Strictness::Usual => report.passes(),
            Strictness::Strict => report.passes_strictly(),
        };
        is_judged && passes
    }

    /// What the verdict looks like on the way out.
    pub fn render(&self, report: &Report) -> String {
        if !self.json {
            return report.table(self.strictness());
        }

        let mut json = serde_json::to_value(report).unwrap_or_default();
        if let Some(members) = json.as_object_mut() {
            let verdict = report.verdict(self.strictness());
            members.insert("verdict".to_owned(), verdict.into());
        }
        json.to_string()
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    boxbridge_config::duration(text)
        .ok_or_else(|| "must be a duration such as 500ms, 10s or 5m".to_owned())
}
