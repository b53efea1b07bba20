//! What `boxbridge simulate` can be told, with its defaults and what each flag allows.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::film;
use super::mix::Mix;
use super::outcome::Outcome;
use super::receiver::Receiver;
use boxbridge_config::Secret;

/// Simulated boxes for load and acceptance tests
///
/// Sends events in the shape of SOPHON boxes to any receiver, at a fixed rate whatever the receiver does: a request that
/// begins late, since the box still waited for its last answer, is charged from the moment it was meant to begin. Every
/// event carries a marker of its own in ext_data.simulate_id; with --ledger, one JSON line per event says what was sent and
/// what was answered, and `boxbridge reconcile` compares it with what arrived.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  boxbridge simulate --rate 100 --boxes 50 --duration 1m --ledger run.jsonl
  boxbridge simulate --count 2000 --rate 2000 --keep-alive --picture-bytes 75KB
  boxbridge simulate --rate 1 --boxes 3 --duration 5m --faces --pictures 3
  boxbridge simulate --firmware mixed --history 0.2 --history-batch 10
  boxbridge simulate --url http://gateway.lan:9528/RealTimeEvent?site=lobby --json
  boxbridge simulate --url https://gateway.lan:9543/RealTimeEvent --ca-file authority.pem")]
pub struct Options {
    /// Where to POST real-time events: http://, or https:// for a receiver that speaks TLS
    #[arg(long, default_value = "http://127.0.0.1:9528/RealTimeEvent")]
    pub url: Receiver,
    /// PEM with the authorities that may have signed the receiver's certificate; else the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The path for history events at the same receiver
    #[arg(long, default_value = "/HistoryEvent")]
    pub history_path: String,
    /// A file with the token that the boxes show; else BOXBRIDGE_TOKEN of the environment, if it is there
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// What was found there.
    #[arg(skip)]
    pub token: Option<Secret>,
    /// Boxes; each sends one request at a time
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub boxes: u32,
    /// Capture devices per box, each with an address of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub devices: u32,
    /// Requests per second, of all boxes together
    #[arg(long, default_value_t = 100.0, value_parser = positive)]
    pub rate: f64,
    /// Requests that are meant to begin in the same moment; the rate stays
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,
    /// How long to send: 30s, 5m, 1h
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub duration: Duration,
    /// How many requests to send, instead of for how long
    #[arg(long, conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..=u64::from(u32::MAX)))]
    pub count: Option<u64>,
    /// Pictures per event, as far as such a person has them: registered, scene, face, and infrared in history
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub pictures: u8,
    /// Size of each picture before base64; two of 75KB make a body of 200 KB
    #[arg(long, default_value = "75KB", value_parser = picture_bytes)]
    pub picture_bytes: usize,
    /// Draw faces instead of noise, for people who look; the size is what it comes to, and some milliseconds a picture
    #[arg(long, conflicts_with = "picture_bytes")]
    pub faces: bool,
    /// People who pass, per person type; each keeps the same registered picture
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=99_999))]
    pub people: u32,
    /// Shares of the person types
    #[arg(
        long,
        default_value = "employee=70,visitor=10,stranger=15,blacklist=2,vip=3"
    )]
    pub mix: Mix,
    /// Share of requests that are history, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub history: f64,
    /// Events in one history request; over 1 they are sent as an array
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub history_batch: u32,
    /// How the boxes write their events
    #[arg(long, value_enum, default_value_t = FirmwareMix::Document)]
    pub firmware: FirmwareMix,
    /// How long a box waits for an answer, connecting and sending included, before it gives the event up
    #[arg(long, default_value = "500ms", value_parser = duration)]
    pub patience: Duration,
    /// The first box connects from this address, the others from those behind it: of the loopback a machine has many. Not on the command line
    #[arg(skip)]
    pub from: Option<Ipv4Addr>,
    /// Keep connections open instead of sending `Connection: close` as boxes do
    #[arg(long)]
    pub keep_alive: bool,
    /// Send the same people, scores and registered pictures again; default: drawn, and printed
    #[arg(long)]
    pub seed: Option<u64>,
    /// Write one JSON line per event here, replacing what the file held
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// How the simulated boxes write their events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FirmwareMix {
    /// As the vendor's document prints them
    Document,
    /// Every box has a firmware of its own among those seen on SE3: other scales, types and spellings
    Mixed,
    /// As mixed, and some boxes send history in the flat shapes of later generations (SE5)
    Family,
}

impl Options {
    /// What the result looks like on the way out.
    pub fn render(&self, outcome: &Outcome) -> String {
        if self.json {
            return serde_json::to_string(outcome).unwrap_or_default();
        }

        let ledger = self.ledger.as_deref().map_or_else(String::new, |ledger| {
            let ledger = ledger.display();
            format!("\nledger        {ledger}   (what was sent, for `boxbridge reconcile`)")
        });
        format!("{outcome}{ledger}")
    }
}

impl Default for Options {
    /// What the command line gives when nothing is written on it; equal by a test.
    fn default() -> Options {
        Options {
            url: Receiver::default(),
            ca_file: None,
            history_path: "/HistoryEvent".to_owned(),
            token_file: None,
            token: None,
            boxes: 50,
            devices: 1,
            rate: 100.0,
            burst: 1,
            duration: Duration::from_secs(10),
            count: None,
            pictures: 2,
            picture_bytes: 75_000,
            faces: false,
            people: 200,
            mix: Mix::default(),
            history: 0.0,
            history_batch: 1,
            firmware: FirmwareMix::Document,
            patience: Duration::from_millis(500),
            from: None,
            keep_alive: false,
            seed: None,
            ledger: None,
            json: false,
        }
    }
}

/// A command line's duration that is not zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = boxbridge_config::duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "must be a duration such as 500ms, 10s or 5m".to_owned())
}

fn picture_bytes(text: &str) -> Result<usize, String> {
    let bytes = boxbridge_config::size(text).and_then(|bytes| usize::try_from(bytes).ok());
    let range = film::LEAST_BYTES..=64 << 20;
    bytes
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(|| "must be a size from 256 to 64MiB, such as 75KB".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f64| (1e-6..=1e9).contains(number));
    number.ok_or_else(|| "must be a number over 0, at least 0.000001".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_defaults_of_the_command_line_and_of_the_library_are_the_same() {
        let line = Line::parse_from(["simulate"]).options;
        assert_eq!(format!("{line:?}"), format!("{:?}", Options::default()));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_what_is_allowed() {
        for (flag, value, allowed) in [
            ("--rate", "0", "over 0"),
            ("--rate", "1e-20", "over 0"),
            ("--history", "1.5", "from 0 to 1"),
            ("--picture-bytes", "10", "from 256"),
            ("--url", "ftp://a/", "https://"),
            ("--mix", "boss=1", "employee"),
        ] {
            let refused = Line::try_parse_from(["simulate", flag, value]).err();
            let error = refused.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(allowed), "{flag} {value}: {error}");
        }
    }
}
