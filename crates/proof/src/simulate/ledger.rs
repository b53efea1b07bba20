//! The ledger: one JSON line per event that was sent, with everything that `reconcile` needs to recognise it.
//!
//! Lines come through a bounded channel to one writer, which flushes every second and at the end; a full disk stops the run
//! with an error instead of leaving holes. Deliberately holds no picture bytes, only their hashes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use boxbridge_event::{EventId, Feed, PersonType, PictureKind, Revision, Timestamp};

/// Finds an event again even if it was never answered: the run's id and the event's number. It travels in the event as
/// `simulate_id`, a field that no firmware has, so the gateway must carry it through in `extra`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker {
    pub run: u32,
    pub number: u32,
}

/// One event, as it was sent and as it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub marker: Marker,
    pub feed: Feed,
    pub device: String,
    /// Per device, from 0, in the order of sending.
    pub sequence: u32,
    pub person_type: PersonType,
    pub identity: String,
    /// 0 to 1, however the firmware wrote it.
    pub score: f64,
    pub occurred_at: Timestamp,
    pub pictures: BTreeMap<PictureKind, Sent>,
    pub sent_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    /// From the intended moment to the answer, or to the end of the patience.
    pub latency_ms: f64,
    /// HTTP's, or of the event's own element where the body was an array; `None` = no answer.
    pub status: Option<u16>,
    /// Why there is no status, or the `code` of the answer.
    pub reason: Option<String>,
    pub event_id: Option<EventId>,
    pub revision: Option<Revision>,
}

/// A picture as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    pub sha256: String,
    pub bytes: u64,
}

/// Lines on their way to the file.
pub struct Ledger {
    lines: mpsc::Sender<Entry>,
    writer: JoinHandle<io::Result<()>>,
}

/// Lines that wait for the writer: enough for a second of the highest rate.
const WAITING_MAX: usize = 4096;
const FLUSH_EVERY: Duration = Duration::from_secs(1);

impl Entry {
    /// Whether the receiver took it over: from then on a loss is the receiver's.
    pub fn is_acknowledged(&self) -> bool {
        self.status == Some(200) && self.reason.is_none()
    }
}

impl Ledger {
    /// A new file; what stood there is replaced.
    pub fn create(path: &Path) -> io::Result<Ledger> {
        let file = std::fs::File::create(path)?;
        let (lines, waiting) = mpsc::channel(WAITING_MAX);
        let runtime = tokio::runtime::Handle::current();
        let writer = tokio::task::spawn_blocking(move || {
            runtime.block_on(write(BufWriter::new(file), waiting))
        });
        Ok(Ledger { lines, writer })
    }

    /// Where to put entries. They fail to go in when the writer has ended with an error.
    pub fn sender(&self) -> mpsc::Sender<Entry> {
        self.lines.clone()
    }

    /// Waits until every line is in the file; all senders must be gone.
    pub async fn close(self) -> io::Result<()> {
        drop(self.lines);
        self.writer
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

async fn write(
    mut file: BufWriter<std::fs::File>,
    mut waiting: mpsc::Receiver<Entry>,
) -> io::Result<()> {
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    loop {
        tokio::select! {
            entry = waiting.recv() => {
                let Some(entry) = entry else { break };

                serde_json::to_writer(&mut file, &entry)?;
                file.write_all(b"\n")?;
            }
            _ = flush.tick() => file.flush()?,
        }
    }
    file.flush()
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl std::str::FromStr for Marker {
    type Err = String;

    fn from_str(text: &str) -> Result<Marker, String> {
        let parse = |(run, number): (&str, &str)| {
            Some(Marker {
                run: u32::from_str_radix(run, 16).ok()?,
                number: number.parse().ok()?,
            })
        };
        text.split_once('-')
            .and_then(parse)
            .ok_or_else(|| format!("{text:?} is not a marker such as 5f0c6e0c-17"))
    }
}

impl Serialize for Marker {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Marker {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Marker, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
