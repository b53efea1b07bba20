//! `boxbridge demo`: a whole site in one process, for a first look: boxes that send drawn faces, the gateway, both buses and a guard's
//! screen.
//!
//! Promises: the terminal shows what subscribers received, and the count at the end is `reconcile`'s verdict over all of it. No setting of
//! this machine is read, so no invented person ever reaches a real bus. Deliberately runs the real gateway, simulate and reconcile:
//! nothing is imitated.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use boxbridge_proof::simulate::duration;

mod buses;
mod introduction;
mod outage;
mod pass;
mod screen;
mod site;
mod summary;
mod watch;

/// The whole site in this process: boxes with drawn faces, gateway, MQTT, Kafka
///
/// Starts the gateway on its embedded defaults, an MQTT broker on 127.0.0.1:1883, a Kafka cluster (librdkafka's mock, in
/// memory) and a few simulated boxes whose cameras see invented people, now and then a blacklisted one. Every line is one
/// person: when the gateway had the event on disk, and when a subscriber of each bus received it.
///
/// Two things differ from the defaults, so that there is something to see: the boxes' port listens on this machine only, and
/// an event may be acted on for 10 s (blacklist: 5 min) instead of 60 s. No config file and no environment is read.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  boxbridge demo                          watch until Ctrl-C, which ends with the count
  boxbridge demo --rate 5 --for 1m        more people, for a minute
  boxbridge demo --data-dir data/other --set ingest.listen=127.0.0.1:9628 --set admin.listen=127.0.0.1:9629 \\
                 --set send.mqtt.embedded.listen=127.0.0.1:1884 --set send.store.links.listen=127.0.0.1:9630   beside another gateway
  boxbridge demo --stop-broker 20s        in a second terminal: the gateway loses its MQTT broker for 20 s. Nothing is refused;
                                          afterwards alerts come first, and what is too late comes on the late topic")]
pub struct Options {
    /// People per second, at all doors together
    #[arg(long, default_value_t = 1.0, value_parser = rate)]
    pub rate: f64,
    /// End after this long instead of with Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub at_most: Option<Duration>,
    /// Where queue, pictures and the demo's own files are kept
    #[arg(long, value_name = "FOLDER", default_value = "data/demo")]
    pub data_dir: PathBuf,
    /// Take the MQTT broker away from a running demo's gateway for this long, and tell what happens
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub stop_broker: Option<Duration>,
}

/// At most 20: drawing takes some milliseconds a picture.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate: &f64| (0.01..=20.0).contains(rate));
    rate.ok_or_else(|| {
        "must be a number from 0.01 to 20; `boxbridge simulate` sends more".to_owned()
    })
}

/// Runs the demo, or asks a running one for an outage. `set` holds the values of `--set`.
pub async fn run(options: Options, set: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
    if let Some(lasts) = options.stop_broker {
        outage::ask(&options.data_dir, lasts).await?;
        return Ok(ExitCode::SUCCESS);
    }

    let end = site::Site::start(&options, set)
        .await?
        .run(&options)
        .await?;
    super::say(&summary::of(&end));
    // Events that were not waited for are on disk: the next start delivers them.
    Ok(if end.report.passes() || end.waiting > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
