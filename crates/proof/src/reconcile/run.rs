//! The course of a reconciliation: listen, as far as asked; then read ledgers, recordings and stores; then judge.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use super::options::Named;
use super::recorder::{Progress, Recorder, Settings, Source, Sources};
use super::recording::Recorded;
use super::report::Report;
use super::rules::Rules;
use super::{Error, Options, lines, store_reader};
use crate::simulate::Entry;
use crate::terminal::Terminal;
use boxbridge_config::{Config, Destination, Kind, Layers};
use boxbridge_event::Timestamp;

/// Kafka is read from this long before the ledger begins: clocks differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(60);

/// Listens until quiet, until the time is over or until `stop`, and judges. Without a ledger the verdict is empty: then only
/// the recording was wanted. `ready` is called once every subscription stands. Draws its progress where standard error is a terminal.
pub async fn run(
    options: Options,
    layers: Layers,
    stop: CancellationToken,
    ready: impl FnOnce(&Listening),
) -> Result<Report, Error> {
    let terminal = Terminal::for_people(options.json);
    reconcile(options, layers, stop, ready, terminal).await
}

/// The same with nothing on the terminal.
pub async fn run_until(
    options: Options,
    layers: Layers,
    stop: CancellationToken,
    ready: impl FnOnce(&Listening),
) -> Result<Report, Error> {
    reconcile(options, layers, stop, ready, Terminal::Hidden).await
}

/// Every subscription stands: what is sent from now on is not missed.
#[derive(Clone, Debug)]
pub struct Listening {
    pub buses: Vec<String>,
    pub recording: PathBuf,
    /// The ledger that nobody has written yet.
    pub awaited: Option<PathBuf>,
    pub until_quiet: Duration,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (buses, recording) = (self.buses.join(", "), self.recording.display());
        write!(f, "listening to {buses}; arrivals go into {recording}")?;
        if let Some(ledger) = &self.awaited {
            let ledger = ledger.display();
            write!(f, "\nnext: boxbridge simulate --ledger {ledger}")?;
        }

        let quiet = self.until_quiet;
        match quiet.is_zero() {
            true => write!(f, "\nends with Ctrl-C"),
            false => write!(f, "\njudges {quiet:?} after the last message, or at Ctrl-C"),
        }
    }
}

async fn reconcile(
    options: Options,
    layers: Layers,
    stop: CancellationToken,
    ready: impl FnOnce(&Listening),
    terminal: Terminal,
) -> Result<Report, Error> {
    let config = Config::load(&options.over(layers))?;
    let plan = Plan::of(&options, &config)?;

    let mut recordings = options.arrivals.clone();
    if !plan.buses.is_empty() {
        let file = recording(&options)?;
        recordings.push(file.clone());

        let listening = plan.listening(&options, &file);
        let (sources, has_mqtt) = (plan.sources(&config), plan.has_mqtt());
        let recorder = Recorder::start(sources, &file).await?;
        ready(&listening);
        listen(&options, recorder, has_mqtt, &stop, terminal).await?;
    }

    let kept = recordings.last().filter(|_| !plan.buses.is_empty());
    are_there(&options.ledger, kept)?;
    let (ledgers, stores) = (&options.ledger, &plan.stores);
    let mut report = judge_files(&config, ledgers, &recordings, stores, options.read).await?;

    let begin = begin(&options);
    if options
        .since
        .is_some_and(|since| begin.is_some_and(|begin| begin < since))
    {
        report.warnings.push(BEGINS_BEFORE.to_owned());
    }
    Ok(report)
}

const NOTHING_TO_COMPARE: &str = "nothing to compare: give --ledger, and one of --all --mqtt --kafka --store --destination --arrivals";
const BEGINS_BEFORE: &str =
    "the ledger begins before --since: what Kafka held by then counts as lost";
const NO_RECORDING: &str =
    "listening needs --record FILE or --ledger FILE: where should arrivals go";
const OVERWRITES: &str =
    "the recording would overwrite a file that is to be read: give another --record FILE";

/// What is looked at.
struct Plan<'a> {
    buses: Vec<Source>,
    /// By name.
    stores: Vec<&'a str>,
}

impl<'a> Plan<'a> {
    fn of(options: &Options, config: &'a Config) -> Result<Plan<'a>, Error> {
        let mut plan = Plan {
            buses: Vec::new(),
            stores: Vec::new(),
        };
        let since = since(options);
        for destination in asked(options, config)? {
            match Source::of(destination, &options.topic, since) {
                Some(bus) => plan.buses.push(bus),
                None => plan.stores.push(&destination.name),
            }
        }

        let reads = !options.arrivals.is_empty() || !plan.stores.is_empty();
        let compares = !options.ledger.is_empty() && reads;
        match plan.buses.is_empty() && !compares {
            true => Err(Error::Usage(NOTHING_TO_COMPARE.to_owned())),
            false => Ok(plan),
        }
    }

    fn sources(&self, config: &Config) -> Sources {
        Sources {
            buses: self.buses.clone(),
            rules: Rules::of(config),
            retry_max: config.send.retry_max,
        }
    }

    fn has_mqtt(&self) -> bool {
        let mut buses = self.buses.iter();
        buses.any(|bus| matches!(bus.settings, Settings::Mqtt { .. }))
    }

    fn listening(&self, options: &Options, recording: &Path) -> Listening {
        let awaited = options.ledger.iter().find(|ledger| !ledger.exists());
        Listening {
            buses: self.buses.iter().map(|bus| bus.name.clone()).collect(),
            recording: recording.to_owned(),
            awaited: awaited.cloned(),
            until_quiet: options.until_quiet,
        }
    }
}

/// The destinations to look at, each once.
fn asked<'a>(options: &Options, config: &'a Config) -> Result<Vec<&'a Destination>, Error> {
    let named = options.named();
    let unknown = named
        .iter()
        .find(|named| config.send.named(&named.name).is_none());
    if let Some(Named { name, .. }) = unknown {
        return Err(Error::Usage(format!(
            "{name} is not on in this config, which has {}: give the --config that has it, or its address (see --help)",
            names(config).join(", ")
        )));
    }

    let is_asked = |destination: &&Destination| {
        options.all || named.iter().any(|named| named.name == *destination.name)
    };
    Ok(config.send.destinations.iter().filter(is_asked).collect())
}

fn names(config: &Config) -> Vec<&str> {
    let destinations = config.send.destinations.iter();
    destinations.map(|destination| &*destination.name).collect()
}

/// From when on Kafka is read.
fn since(options: &Options) -> Timestamp {
    let from_ledger = || begin(options).map(|begin| begin.minus(CLOCK_MARGIN));
    options
        .since
        .or_else(from_ledger)
        .unwrap_or_else(Timestamp::now)
}

/// When the first event of the ledgers was sent.
fn begin(options: &Options) -> Option<Timestamp> {
    options
        .ledger
        .iter()
        .filter_map(|ledger| lines::begin(ledger))
        .min()
}

/// A slip in a ledger's name must not cost an hour of listening, so the error names the recording.
fn are_there(ledgers: &[PathBuf], recorded: Option<&PathBuf>) -> Result<(), Error> {
    let Some(missing) = ledgers.iter().find(|ledger| !ledger.exists()) else {
        return Ok(());
    };
    let kept = recorded.map_or_else(String::new, |recording| {
        let recording = recording.display();
        format!("; what arrived is kept: judge it with --arrivals {recording}")
    });
    Err(Error::NoLedger {
        ledger: missing.clone(),
        kept,
    })
}

/// The verdict over ledgers and recordings on disk and these stores of the config; reads `read` pictures of each store.
pub async fn judge_files(
    config: &Config,
    ledgers: &[PathBuf],
    recordings: &[PathBuf],
    stores: &[&str],
    read: u64,
) -> Result<Report, Error> {
    let mut judge = Judge::new(Rules::of(config));
    for path in ledgers {
        let unreadable = lines::each(path, |entry: Entry| {
            judge.expect(&entry);
            Ok(())
        })?;
        warn(&mut judge, path, unreadable);
    }

    for path in recordings {
        let unreadable = lines::each(path, |line: Recorded| judge.line(&line))?;
        warn(&mut judge, path, unreadable);
    }

    for destination in &config.send.destinations {
        if let Kind::Store(store) = &destination.kind
            && stores.contains(&&*destination.name)
        {
            store_reader::look(&destination.name, store, read, &mut judge).await?;
        }
    }

    let mut report = judge.into_report();
    let judged = report.judged();
    let left_out = names(config)
        .into_iter()
        .filter(|name| !judged.contains(name));
    report.not_judged = left_out.map(str::to_owned).collect();
    Ok(report)
}

fn warn(judge: &mut Judge, path: &Path, unreadable: u64) {
    if unreadable > 0 {
        let path = path.display();
        judge.warn(format!("{path}: {unreadable} lines could not be read"));
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
    let file = file.ok_or_else(|| Error::Usage(NO_RECORDING.to_owned()))?;

    // However it is written: through a link, or another way around.
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut read = options.arrivals.iter().chain(&options.ledger);
    match read.any(|read| real(read) == real(&file)) {
        true => Err(Error::Usage(OVERWRITES.to_owned())),
        false => Ok(file),
    }
}

async fn listen(
    options: &Options,
    mut recorder: Recorder,
    has_mqtt: bool,
    stop: &CancellationToken,
    terminal: Terminal,
) -> Result<(), Error> {
    let started = Instant::now();
    let quiet = options.until_quiet;
    let (over, progress) = (CancellationToken::new(), recorder.progress());
    let drawing = terminal.draw(over.clone(), move || describe(&progress.borrow(), quiet));
    let drawing = tokio::spawn(drawing);

    // Without MQTT, a ledger that is there already means that the run is over: what there is comes at once, or there is nothing.
    let is_over = !has_mqtt && begin(options).is_some();
    let first_by = is_over.then_some(started + quiet);
    let is_quiet = async {
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
        () = is_quiet => {}
        () = time_is_over => {}
        () = stop.cancelled() => {}
    }
    over.cancel();
    let _ = drawing.await;
    recorder.finish().await
}

/// `  1234 messages, quiet for 3 of 10 s`
fn describe(progress: &Progress, quiet: Duration) -> String {
    let (messages, since) = (progress.messages, progress.last.elapsed().as_secs());
    if progress.away > 0 {
        return format!("  {messages} messages, a bus is out of reach: waiting for it");
    }
    match (messages, quiet.as_secs()) {
        (0, _) => "  no message yet".to_owned(),
        (_, 0) => format!("  {messages} messages, quiet for {since} s"),
        (_, until) => format!("  {messages} messages, quiet for {since} of {until} s"),
    }
}
