//! The course of a reconciliation: listen, as far as asked; then read ledgers, recordings and store; then judge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Judge, Options, Recorded, Recorder, Report, Rules, Sources, lines, store_reader,
};
use crate::simulate::Entry;
use boxbridge_config::{Config, Layers};
use boxbridge_event::Timestamp;

/// A ledger's first event was received at most this long before it was noted, by clocks that may differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);

/// Listens until quiet, until the time is over or until `stop`, and judges. Without a ledger the verdict is empty: then only
/// the recording was wanted. `ready` is called with the recording's file once every subscription stands.
pub async fn run_until(
    options: Options,
    layers: Layers,
    stop: CancellationToken,
    ready: impl FnOnce(&Path),
) -> Result<Report, Error> {
    let listens = options.mqtt.is_some() || options.kafka.is_some();
    let reads = !options.arrivals.is_empty() || options.store.is_some();
    if !listens && (options.ledger.is_empty() || !reads) {
        return Err(Error::Usage(NOTHING_TO_COMPARE));
    }
    let config = Config::load(&options.over(layers))?;

    let mut recordings = options.arrivals.clone();
    if listens {
        let file = recording(&options)?;
        let recorder = Recorder::start(sources(&options, &config)?, &file).await?;
        ready(&file);
        listen(&options, recorder, &stop).await?;
        recordings.push(file);
    }

    let store = options.store.is_some().then_some(options.read);
    let mut report = judge_files(&config, &options.ledger, &recordings, store).await?;
    let begin = begin(&options);
    if options
        .since
        .is_some_and(|since| begin.is_some_and(|begin| begin < since))
    {
        report.warnings.push(BEGINS_BEFORE.to_owned());
    }
    Ok(report)
}

const NOTHING_TO_COMPARE: &str =
    "nothing to compare: give --ledger, and one of --mqtt --kafka --arrivals --store";
const BEGINS_BEFORE: &str =
    "the ledger begins before --since: what Kafka held by then counts as lost";
const NO_RECORDING: &str =
    "listening needs --record FILE or --ledger FILE: where should arrivals go";
const OVERWRITES: &str =
    "the recording would overwrite a file that is to be read: give another --record FILE";
const MQTT_IS_OFF: &str = "--mqtt: MQTT is off in this config";
const KAFKA_IS_OFF: &str = "--kafka: Kafka is off in this config";

/// When the first event of the ledgers was sent.
fn begin(options: &Options) -> Option<Timestamp> {
    options
        .ledger
        .iter()
        .filter_map(|ledger| lines::begin(ledger))
        .min()
}

/// What ledgers and recordings on disk come to, and with `store` the picture store as well, of which so many pictures are read.
pub async fn judge_files(
    config: &Config,
    ledgers: &[PathBuf],
    recordings: &[PathBuf],
    store: Option<u64>,
) -> Result<Report, Error> {
    let mut judge = Judge::new(Rules::of(config));
    for path in ledgers {
        let unreadable = lines::each(path, |entry: Entry| judge.expect(&entry))?;
        warn(&mut judge, path, unreadable);
    }

    for path in recordings {
        let unreadable = lines::each(path, |line: Recorded| judge.line(&line))?;
        warn(&mut judge, path, unreadable);
    }

    if let Some(read) = store {
        store_reader::look(config.send.store(), read, &mut judge).await?;
    }
    Ok(judge.into_report())
}

fn warn(judge: &mut Judge, path: &Path, unreadable: u64) {
    if unreadable > 0 {
        judge.warn(format!(
            "{}: {unreadable} lines could not be read",
            path.display()
        ));
    }
}

/// Where arrivals go; never over something that is to be read.
fn recording(options: &Options) -> Result<PathBuf, Error> {
    let beside = |ledger: &PathBuf| {
        let mut name = ledger.clone().into_os_string();
        name.push(".arrivals");
        PathBuf::from(name)
    };
    let file = options
        .record
        .clone()
        .or_else(|| options.ledger.first().map(beside));
    let file = file.ok_or(Error::Usage(NO_RECORDING))?;

    // However it is written: through a link, or another way around.
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut read = options.arrivals.iter().chain(&options.ledger);
    match read.any(|read| real(read) == real(&file)) {
        true => Err(Error::Usage(OVERWRITES)),
        false => Ok(file),
    }
}

fn sources(options: &Options, config: &Config) -> Result<Sources, Error> {
    let mqtt = match options.mqtt {
        Some(_) => Some(
            config
                .send
                .mqtt()
                .cloned()
                .ok_or(Error::Usage(MQTT_IS_OFF))?,
        ),
        None => None,
    };
    let kafka = match options.kafka {
        Some(_) => Some(
            config
                .send
                .kafka()
                .cloned()
                .ok_or(Error::Usage(KAFKA_IS_OFF))?,
        ),
        None => None,
    };

    let from_ledger = || begin(options).map(|begin| begin.minus(CLOCK_MARGIN));
    let since = options
        .since
        .or_else(from_ledger)
        .unwrap_or_else(Timestamp::now);
    Ok(Sources {
        mqtt,
        mqtt_filters: options.topic.clone(),
        kafka: kafka.map(|kafka| (kafka, since)),
        rules: Rules::of(config),
    })
}

async fn listen(
    options: &Options,
    mut recorder: Recorder,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let started = Instant::now();
    let quiet = options.until_quiet;

    // Without MQTT, a ledger that is there already means that the run is over: what there is comes at once, or there is nothing.
    let is_over = options.mqtt.is_none() && begin(options).is_some();
    let first_by = is_over.then_some(started + quiet);
    let over = async {
        match quiet.is_zero() {
            true => recorder.failed().await,
            false => recorder.wait_for_quiet(quiet, first_by).await,
        }
    };

    let time_is_over = async {
        match options.at_most {
            Some(at_most) => tokio::time::sleep_until(started + at_most).await,
            None => std::future::pending().await,
        }
    };

    tokio::select! {
        () = over => {}
        () = time_is_over => {}
        () = stop.cancelled() => {}
    }
    recorder.finish().await
}
