//! Listens to the buses and writes what arrives into a file, one line per message.
//!
//! Promises: when [`Recorder::start`] returns, every subscription stands, so that nothing sent afterwards is missed; lines pass
//! through a bounded channel, so that a slow disk slows the subscribers down instead of filling the memory. Deliberately judges
//! nothing: a recording can be judged as often as one likes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::recording::Recorded;

mod kafka_reader; // listens to Kafka
mod mqtt_subscriber; // listens to MQTT
mod sink; // where they put what they received
mod sources; // what to listen to

pub use sources::{Settings, Source, Sources};

use sink::Sink;

/// Ends when it is told to; dropping it ends it too, without a last flush.
pub struct Recorder {
    stop: CancellationToken,
    progress: watch::Receiver<Progress>,
    listeners: Vec<Listener>,
    writer: JoinHandle<io::Result<()>>,
    file: PathBuf,
    /// The gateway's longest pause before it tries a bus again.
    retry_max: Duration,
}

/// How far a recording is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Messages so far, foreign ones included.
    pub messages: u64,
    /// How often a subscriber lost its session and listens again.
    pub gaps: u64,
    pub last: Instant,
    /// How many buses are out of reach.
    pub away: u32,
    /// When one was last lost, or reached again.
    pub turned: Option<Instant>,
}

/// One bus's subscriber or reader, until it ends.
type Listener = JoinHandle<Result<(), Error>>;

/// Lines that wait for the disk.
const WAITING_MAX: usize = 4096;
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How long a bus may be out of reach before there is a verdict without it. A broker keeps the subscriber's session no longer.
const AWAY_MAX: Duration = Duration::from_secs(mqtt_subscriber::SESSION_SECONDS as u64);

impl Recorder {
    /// Subscribes, and returns once all subscriptions stand.
    pub async fn start(sources: Sources, file: &Path) -> Result<Recorder, Error> {
        Recorder::start_watched(sources, file, None).await
    }

    /// The same, and `watcher` sees each line. One that is slow misses some: the recording does not wait for it.
    pub async fn start_watched(
        sources: Sources,
        file: &Path,
        watcher: Option<mpsc::Sender<Recorded>>,
    ) -> Result<Recorder, Error> {
        let created = open(file)?;
        let (lines, waiting) = mpsc::channel(WAITING_MAX);
        let (count, progress) = watch::channel(Progress::none());

        let written = write(BufWriter::new(created), waiting, count, watcher);
        let runtime = tokio::runtime::Handle::current();
        let writer = tokio::task::spawn_blocking(move || runtime.block_on(written));

        let mut recorder = Recorder {
            stop: CancellationToken::new(),
            progress,
            listeners: Vec::new(),
            writer,
            file: file.to_owned(),
            retry_max: sources.retry_max,
        };
        recorder.listen(sources, lines).await?;
        Ok(recorder)
    }

    async fn listen(
        &mut self,
        sources: Sources,
        lines: mpsc::Sender<Recorded>,
    ) -> Result<(), Error> {
        for source in sources.buses {
            let rules = sources.rules.bus(&source.name).cloned();
            let sink = Sink {
                lines: lines.clone(),
                rules: rules.ok_or_else(|| Error::UnknownBus(source.name.clone()))?,
                bus: source.name,
                stop: self.stop.clone(),
            };

            let listener = listen_to(source.settings, &sink).await?;
            self.listeners.push(listener);
            sink.put(Recorded::Listening(sink.bus.clone())).await;
        }
        Ok(())
    }

    /// How far it is, as it goes on.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits until it has come so far, or the recording has ended by itself; [`Recorder::finish`] tells why. Without a limit of
    /// its own: the caller knows how long is too long.
    pub async fn wait_until(&mut self, reached: impl FnMut(&Progress) -> bool) {
        let _ = self
            .stop
            .run_until_cancelled(self.progress.wait_for(reached))
            .await;
    }

    /// Waits until a listener or the writer has given up.
    pub async fn failed(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until nothing has come for this long. Before the first message, `first_by` is the latest moment to give up. While a
    /// bus is out of reach nothing can come, so that is no quiet: it begins once the gateway, too, had time to notice that the bus is back.
    pub async fn wait_for_quiet(&mut self, quiet: Duration, first_by: Option<Instant>) {
        loop {
            let progress = *self.progress.borrow_and_update();
            let until = match (progress.away, progress.messages) {
                (1.., _) => Some(progress.turned.unwrap_or(progress.last) + AWAY_MAX),
                (0, 0) => first_by,
                (0, _) => Some(progress.quiet_since(self.retry_max) + quiet),
            };

            let changed = self.progress.changed();
            let changed = match until {
                Some(until) if until <= Instant::now() => return,
                Some(until) => timeout_at(until, changed).await.unwrap_or(Ok(())),
                None => changed.await,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Stops listening and waits until every line is in the file.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.stop.cancel();
        for listener in self.listeners.drain(..) {
            let ended = listener.await;
            ended.unwrap_or_else(|error| Err(Error::Listener(error.to_string())))?;
        }

        // The listeners held the last senders, so the writer comes to its end.
        let written = (&mut self.writer).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|source| Error::Recording {
            path: self.file.clone(),
            source,
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Begins to listen; returns once nothing that is sent from now on is missed.
async fn listen_to(settings: Settings, sink: &Sink) -> Result<Listener, Error> {
    match settings {
        Settings::Mqtt { mqtt, filters } => {
            let filters = match filters.is_empty() {
                true => sink.rules.mqtt_filters(),
                false => filters,
            };
            mqtt_subscriber::listen(&mqtt, filters, sink.clone()).await
        }
        Settings::Kafka { kafka, since } => kafka_reader::listen(kafka, since, sink.clone()).await,
    }
}

/// The recording's file. What stands there is replaced by the first line: not by a listener that never got through.
fn open(file: &Path) -> Result<File, Error> {
    let opened = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(file);
    opened.map_err(|source| Error::Recording {
        path: file.to_owned(),
        source,
    })
}

impl Progress {
    fn none() -> Progress {
        Progress {
            messages: 0,
            gaps: 0,
            last: Instant::now(),
            away: 0,
            turned: None,
        }
    }

    fn quiet_since(&self, retry_max: Duration) -> Instant {
        let retried = self.turned.map(|back| back + retry_max);
        retried.map_or(self.last, |retried| retried.max(self.last))
    }

    fn note(&mut self, line: &Recorded) {
        match line {
            Recorded::Arrival(_) | Recorded::Foreign(_) => {
                (self.messages, self.last) = (self.messages + 1, Instant::now())
            }
            Recorded::Gap(_) => self.gaps += 1,
            Recorded::Away(_) => (self.away, self.turned) = (self.away + 1, Some(Instant::now())),
            Recorded::Back(_) => {
                (self.away, self.turned) = (self.away.saturating_sub(1), Some(Instant::now()))
            }
            Recorded::Listening(_) => {}
        }
    }
}

async fn write(
    mut file: BufWriter<File>,
    mut lines: mpsc::Receiver<Recorded>,
    count: watch::Sender<Progress>,
    watcher: Option<mpsc::Sender<Recorded>>,
) -> io::Result<()> {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    let mut has_begun = false;
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break };
                if !std::mem::replace(&mut has_begun, true) {
                    file.get_ref().set_len(0)?;
                }

                serde_json::to_writer(&mut file, &line)?;
                file.write_all(b"\n")?;

                count.send_modify(|progress| progress.note(&line));
                if let Some(watcher) = &watcher {
                    let _ = watcher.try_send(line);
                }
            }
            _ = flush.tick() => file.flush()?,
        }
    }
    file.flush()
}
