//! Listens to the buses and writes what arrives into a file, one line per message.
//!
//! Promises: when [`Recorder::start`] returns, every subscription stands, so that nothing sent afterwards is missed; lines pass
//! through a bounded channel, so that a slow disk slows the subscribers down instead of filling the memory. Deliberately judges
//! nothing: a recording can be judged as often as one likes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::bus::Bus;
use super::recording::Recorded;
use super::rules::Rules;
use super::sink::Sink;
use super::{kafka_reader, mqtt_subscriber};
use boxbridge_config as config;
use boxbridge_event::Timestamp;

/// What to listen to.
#[derive(Clone, Debug)]
pub struct Sources {
    pub mqtt: Option<config::Mqtt>,
    /// Filters instead of those that follow from the routes.
    pub mqtt_filters: Vec<String>,
    pub kafka: Option<(config::Kafka, Timestamp)>,
    pub rules: Rules,
}

/// Ends when it is told to; dropping it ends it too, without a last flush.
pub struct Recorder {
    stop: CancellationToken,
    progress: watch::Receiver<Progress>,
    listeners: Vec<JoinHandle<Result<(), Error>>>,
    writer: JoinHandle<io::Result<()>>,
    file: PathBuf,
}

/// How far a recording is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Messages so far, foreign ones included.
    pub messages: u64,
    /// How often a subscriber lost its session and listens again.
    pub gaps: u64,
    pub last: Instant,
}

/// Lines that wait for the disk.
const WAITING_MAX: usize = 4096;
const FLUSH_EVERY: Duration = Duration::from_secs(1);

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
        // What stood there is replaced by the first line: not by a listener that never got through.
        let created = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(file);
        let created = created.map_err(|source| Error::Recording {
            path: file.to_owned(),
            source,
        })?;

        let (lines, waiting) = mpsc::channel(WAITING_MAX);
        let nothing = Progress {
            messages: 0,
            gaps: 0,
            last: Instant::now(),
        };
        let (count, progress) = watch::channel(nothing);
        let written = write(BufWriter::new(created), waiting, count, watcher);
        let runtime = tokio::runtime::Handle::current();
        let writer = tokio::task::spawn_blocking(move || runtime.block_on(written));

        let stop = CancellationToken::new();
        let sink = Sink {
            lines,
            rules: Arc::new(sources.rules.clone()),
            stop: stop.clone(),
        };
        let (listeners, file) = (Vec::new(), file.to_owned());
        let mut recorder = Recorder {
            stop,
            progress,
            listeners,
            writer,
            file,
        };
        recorder.listen(sources, &sink).await?;
        Ok(recorder)
    }

    async fn listen(&mut self, sources: Sources, sink: &Sink) -> Result<(), Error> {
        if let Some(broker) = sources.mqtt {
            let filters = match sources.mqtt_filters.is_empty() {
                true => sink.rules.mqtt_filters(),
                false => sources.mqtt_filters,
            };
            let listener = mqtt_subscriber::listen(&broker, filters, sink.clone()).await?;
            self.listeners.push(listener);
            sink.put(Recorded::Listening(Bus::Mqtt)).await;
        }

        if let Some((brokers, since)) = sources.kafka {
            let listener = kafka_reader::listen(brokers, since, sink.clone()).await?;
            self.listeners.push(listener);
            sink.put(Recorded::Listening(Bus::Kafka)).await;
        }
        Ok(())
    }

    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
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

    /// Waits until nothing has come for this long. Before the first message, `first_by` is the latest moment to give up.
    pub async fn wait_for_quiet(&mut self, quiet: Duration, first_by: Option<Instant>) {
        loop {
            let progress = *self.progress.borrow_and_update();
            let until = match progress.messages {
                0 => first_by,
                _ => Some(progress.last + quiet),
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

impl Progress {
    fn note(&mut self, line: &Recorded) {
        match line {
            Recorded::Arrival(_) | Recorded::Foreign(_) => {
                (self.messages, self.last) = (self.messages + 1, Instant::now())
            }
            Recorded::Gap(_) => self.gaps += 1,
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
