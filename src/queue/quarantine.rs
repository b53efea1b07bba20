//! Refused bodies, kept for a person to look at: a box never sends them again.
//!
//! One file each in `quarantine/`, named `<received, ms>-<count>-<code>-<peer>`. Promises: a body that [`Quarantine::keep`] returned for is on
//! disk; it stays for `keep`, however many come; one source has a quarter of the room at most. When there is no room nothing gives
//! way: the new body is not kept, and the caller is told.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::folder::Folder;
use crate::config;
use crate::event::{Code, Refusal, Size, Source, Timestamp};
use crate::metrics;

pub struct Quarantine {
    max_bytes: u64,
    keep: Duration,
    kept: Mutex<Kept>,
}

struct Kept {
    folder: Folder,
    /// Tells bodies of the same millisecond apart.
    count: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("quarantine is full: {} of {} used", Size(*.used), Size(*.limit))]
    Full { used: u64, limit: u64 },
    #[error("quarantine cannot be written")]
    Io(#[from] io::Error),
}

impl Quarantine {
    pub fn open(data_dir: &Path, settings: &config::Quarantine) -> io::Result<Quarantine> {
        let folder = Folder::open(&data_dir.join("quarantine"), |name| parse(name).is_some())?;
        let count = folder.iter().count() as u64;
        metrics::quarantine(folder.total());
        Ok(Quarantine { max_bytes: settings.max_bytes, keep: settings.keep, kept: Mutex::new(Kept { folder, count }) })
    }

    /// Keeps `body`, on disk when it returns. Blocks for two syncs.
    pub fn keep(&self, source: &Source, refusal: &Refusal, body: &[u8]) -> Result<(), NotKept> {
        self.expire(source.received_at);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let size = body.len() as u64 + 512;
        if kept.folder.total() + size > self.max_bytes {
            kept.folder.look_again();
        }
        let of_source: u64 = kept
            .folder
            .iter()
            .filter(|(name, _)| parse(name).is_some_and(|(_, peer)| peer == source.peer))
            .map(|(_, size)| size)
            .sum();
        for (used, limit) in [(of_source, self.max_bytes / 4), (kept.folder.total(), self.max_bytes)] {
            if used + size > limit {
                metrics::quarantine_full();
                return Err(NotKept::Full { used, limit });
            }
        }
        kept.count += 1;
        let name = format!("{:013}-{:06}-{}-{}", source.received_at.0.max(0), kept.count, refusal.code.as_str(), source.peer);
        let head = json!({
            "received_at": source.received_at,
            "feed": source.feed,
            "peer": source.peer,
            "site": source.site,
            "box": source.box_id,
            "code": refusal.code.as_str(),
            "field": refusal.field,
            "message": refusal.message,
            "bytes": body.len(),
        });
        kept.folder.put(&name, &head, &[body])?;
        metrics::quarantine(kept.folder.total());
        Ok(())
    }

    /// Sees what an operator has taken away by hand.
    pub fn look_again(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).folder.look_again();
    }

    /// Ends what has been kept for its time.
    pub fn expire(&self, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let is_over = |name: &str| parse(name).is_some_and(|(received, _)| now.since(received) > keep);
        let over: Vec<String> = kept.folder.iter().map(|(name, _)| name.to_owned()).take_while(|name| is_over(name)).collect();
        for name in over {
            if let Err(error) = kept.folder.remove(&name) {
                tracing::warn!(%error, file = %name, "a refused body could not be removed");
            }
        }
        metrics::quarantine(kept.folder.total());
    }
}

impl NotKept {
    /// For the history feed, where 200 would mean that it is kept.
    pub fn into_refusal(self) -> Refusal {
        Refusal::new(Code::QuarantineFull, self.to_string())
    }
}

/// When a body came and from whom, by its file's name.
fn parse(name: &str) -> Option<(Timestamp, &str)> {
    let mut words = name.splitn(4, '-');
    let received = words.next()?.parse().ok()?;
    let (_count, _code, peer) = (words.next()?, words.next()?, words.next()?);
    Some((Timestamp(received), peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Feed;

    fn source(peer: &str, received_at: i64) -> Source {
        Source {
            peer: peer.to_owned(),
            feed: Feed::Realtime,
            site: None,
            box_id: None,
            charset: None,
            received_at: Timestamp(received_at),
        }
    }

    fn open(directory: &Path) -> Quarantine {
        let settings = config::Quarantine { max_bytes: 8_000, keep: Duration::from_millis(1_000) };
        Quarantine::open(directory, &settings).unwrap()
    }

    #[test]
    fn a_kept_body_is_there_after_a_restart_and_ends_after_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        open(directory.path()).keep(&source("fe80::1", 5_000), &refusal, b"{nonsense").unwrap();
        let again = open(directory.path());
        let kept: Vec<_> = again.kept.lock().unwrap().folder.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(kept, ["0000000005000-000001-json_invalid-fe80::1"]);
        let text = std::fs::read_to_string(directory.path().join("quarantine").join(&kept[0])).unwrap();
        assert!(text.ends_with("\n{nonsense"), "{text}");
        again.expire(Timestamp(6_001));
        assert_eq!(again.kept.lock().unwrap().folder.iter().count(), 0);
    }

    #[test]
    fn one_source_has_a_quarter_and_nothing_gives_way() {
        let directory = tempfile::tempdir().unwrap();
        let quarantine = open(directory.path());
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        quarantine.keep(&source("a", 1), &refusal, &[b'x'; 1_000]).unwrap();
        assert!(matches!(quarantine.keep(&source("a", 2), &refusal, &[b'x'; 1_000]), Err(NotKept::Full { limit: 2_000, .. })));
        quarantine.keep(&source("b", 3), &refusal, &[b'x'; 1_000]).unwrap();
    }
}
