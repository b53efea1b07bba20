//! Refused bodies, kept for a person to look at and to hand in again: a box never sends them again.
//!
//! One file each in `quarantine/`, named `<received, ms>-<count>-<code>-<peer>`, and `-<pass>` where its sender had one. Promises: a body that
//! [`Quarantine::keep`] returned for is on disk; it stays for `keep`, however many come. One source has a quarter of the room at most: a pass,
//! from whatever addresses, else an address. What its refusals cost does not grow with what is kept. When there is no room nothing gives way:
//! the new body is not kept, and the caller is told.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Page;
use super::folder::{Folder, Full, PutError, Quota};
use crate::metrics;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::volume::Rank;
use boxbridge_config::Current;
use boxbridge_event::{Code, Refusal, ShareKey, Source, Timestamp};

mod excerpt;
mod filter;
mod head;
mod kept_body;

pub use excerpt::{Excerpt, Shown, harmless, is_harmless};
pub use filter::QuarantineFilter;
pub use head::QuarantineHead;
pub use kept_body::KeptBody;

pub struct Quarantine {
    keep: Current<Duration>,
    folder: Folder,
    /// Tells bodies of the same millisecond apart.
    count: AtomicU64,
}

#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("quarantine is full: {0}")]
    Full(Full),
    #[error("quarantine cannot be written")]
    Io(#[from] io::Error),
}

/// What a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name<'a> {
    received_at: Timestamp,
    code: &'a str,
    peer: &'a str,
    /// [`boxbridge_event::BoxPass::number`].
    pass: Option<&'a str>,
}

impl Quarantine {
    pub fn open(
        disk: &Disk,
        data_dir: &Path,
        settings: &boxbridge_config::Quarantine,
    ) -> io::Result<Quarantine> {
        let quota = quota(settings);
        let folder = Folder::open(disk, &data_dir.join("quarantine"), quota, owner)?;

        let (files, bytes) = folder.usage();
        metrics::quarantine(bytes);
        Ok(Quarantine {
            keep: Current::new(settings.keep),
            folder,
            count: AtomicU64::new(files as u64),
        })
    }

    /// Holds for every body that is kept from now on, and for how long one stays.
    pub fn adopt(&self, settings: &boxbridge_config::Quarantine) {
        self.folder.limit(quota(settings));
        self.keep.replace(settings.keep);
    }

    /// Keeps `body`, on disk when it returns. Blocks for two syncs.
    pub fn keep(&self, source: &Source, refusal: &Refusal, body: &[u8]) -> Result<(), NotKept> {
        let received = source.received_at.0.max(0);
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let (code, peer) = (refusal.code.as_str(), &source.peer);
        let pass = source.pass.number;
        let pass = pass.map_or_else(String::new, |number| format!("-{number:016x}"));
        let name = format!("{received:013}-{count:06}-{code}-{peer}{pass}");

        let head = QuarantineHead::of(source, refusal, body).to_json();
        let put = self.folder.put(&name, &head, &[body]);
        metrics::quarantine(self.folder.usage().1);
        put.map_err(|error| match error {
            PutError::Full(full) => {
                metrics::quarantine_full();
                NotKept::Full(full)
            }
            PutError::Io(error) => NotKept::Io(error),
        })
    }

    /// A body that is kept was handed in again and refused again: it stays, and says why.
    pub fn refused_again(&self, name: &str, refusal: &Refusal) -> io::Result<()> {
        let Some(file) = self.folder.read(name)? else {
            return Ok(());
        };
        let mut head = QuarantineHead::read(&file.head)?;
        head.say(refusal);
        self.folder.say_anew(name, &head.to_json())
    }

    /// One that is kept; `None` if no file has this name. Its bytes are not read.
    pub fn read(&self, name: &str) -> io::Result<Option<KeptBody>> {
        let file = self.folder.read(name)?;
        file.map(KeptBody::of).transpose()
    }

    /// The next that are meant behind this name, at most `limit`, the oldest first.
    pub fn page(
        &self,
        filter: &QuarantineFilter,
        after: Option<&str>,
        limit: usize,
    ) -> io::Result<Page<QuarantineHead>> {
        let may_mean = |name: &str| filter.may_mean(name);
        let look = |name: &str| self.meant(filter, name);
        self.folder.page(after, limit, may_mean, look)
    }

    /// The names behind this one, at most so many; the oldest first.
    pub fn names_after(&self, after: Option<&str>, most: usize) -> Vec<String> {
        self.folder.names_after(after, most)
    }

    pub fn last_name(&self) -> Option<String> {
        self.folder.last_name()
    }

    /// How many are meant. Reads no file where names tell.
    pub fn count(&self, filter: &QuarantineFilter) -> io::Result<u64> {
        let mut count = 0;
        self.each(filter, |_| {
            count += 1;
            Ok(())
        })?;
        Ok(count)
    }

    /// Shows every one that is meant and was there when this began.
    pub fn each(
        &self,
        filter: &QuarantineFilter,
        mut see: impl FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        self.folder.each(|name| match self.is_meant(filter, name)? {
            true => see(name),
            false => Ok(()),
        })
    }

    /// Removes all that are meant; how many those were.
    pub fn drop_all(&self, filter: &QuarantineFilter) -> io::Result<u64> {
        let mut count = 0;
        let dropped = self.each(filter, |name| {
            count += u64::from(self.remove(name)?);
            Ok(())
        });
        self.folder.sync()?;
        dropped.map(|()| count)
    }

    /// Removes a body; false if no file had this name.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        let removed = self.folder.remove(name);
        metrics::quarantine(self.folder.usage().1);
        removed
    }

    /// How many bodies there are, and what they occupy.
    pub fn usage(&self) -> (usize, u64) {
        self.folder.usage()
    }

    /// Removes bodies that were kept for their time, and sees which ones an operator has taken away by hand. Looks at every file.
    pub fn review(&self, clock: &Clock) {
        let keep = self.keep.now();
        self.folder
            .review(|name| Name::of(name).is_some_and(|name| clock.age(name.received_at) > *keep));
        metrics::quarantine(self.folder.usage().1);
    }

    /// Whether a filter means this one. Reads its head where that is needed.
    pub fn is_meant(&self, filter: &QuarantineFilter, name: &str) -> io::Result<bool> {
        if !filter.may_mean(name) {
            return Ok(false);
        }
        Ok(filter.needs_names_only() || self.meant(filter, name)?.is_some())
    }

    fn meant(&self, filter: &QuarantineFilter, name: &str) -> io::Result<Option<QuarantineHead>> {
        let body = match self.read(name) {
            // Somebody has written into it: it is not ours any more.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            body => body?,
        };
        let head = body.map(|body| body.head);
        Ok(head.filter(|head| filter.means(head)))
    }
}

fn quota(settings: &boxbridge_config::Quarantine) -> Quota {
    Quota {
        max_bytes: settings.max_bytes,
        share_bytes: settings.max_bytes / 4,
        rank: Rank::Last,
    }
}

impl NotKept {
    /// For the history feed, where 200 would mean that it is kept.
    pub fn into_refusal(self) -> Refusal {
        Refusal::new(Code::QuarantineFull, self.to_string())
    }
}

impl Name<'_> {
    fn of(name: &str) -> Option<Name<'_>> {
        let mut words = name.splitn(5, '-');
        let received = words.next()?.parse().ok()?;
        let (_count, code, peer) = (words.next()?, words.next()?, words.next()?);
        Some(Name {
            received_at: Timestamp(received),
            code,
            peer,
            pass: words.next(),
        })
    }
}

/// Whose share a body takes, by its file's name.
fn owner(name: &str) -> Option<Cow<'_, str>> {
    let Name { peer, pass, .. } = Name::of(name)?;
    Some(match pass {
        Some(pass) => Cow::Borrowed(pass),
        None if peer.contains(':') => Cow::Owned(ShareKey::of_peer(peer).to_string()),
        None => Cow::Borrowed(peer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::Reading;
    use boxbridge_event::{BoxPass, Feed};

    fn source(peer: &str, received_at: i64) -> Source {
        Source {
            peer: peer.to_owned(),
            feed: Feed::Realtime,
            site: None,
            box_id: None,
            charset: None,
            received_at: Timestamp(received_at),
            pass: BoxPass::default(),
        }
    }

    fn with_pass(peer: &str, number: u64) -> Source {
        let mut source = source(peer, 1);
        source.pass.number = Some(number);
        source
    }

    fn open(directory: &Path) -> Quarantine {
        let settings = boxbridge_config::Quarantine {
            max_bytes: 40_000,
            keep: Duration::from_millis(1_000),
        };
        Quarantine::open(&Disk::default(), directory, &settings).unwrap()
    }

    fn names(directory: &Path) -> Vec<String> {
        let folder = std::fs::read_dir(directory.join("quarantine")).unwrap();
        folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_kept_body_is_there_after_a_restart_and_ends_after_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        open(directory.path())
            .keep(&source("fe80::1", 5_000), &refusal, b"{nonsense")
            .unwrap();

        let again = open(directory.path());
        let kept = names(directory.path());
        assert_eq!(kept, ["0000000005000-000001-json_invalid-fe80::1"]);
        let text =
            std::fs::read_to_string(directory.path().join("quarantine").join(&kept[0])).unwrap();
        assert!(text.ends_with("\n{nonsense"), "{text}");

        let at = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(2_000));
        let time = at.clone();
        let clock = Clock::with(&Disk::default(), directory.path(), move || {
            let now = time.load(Ordering::Relaxed);
            Reading {
                wall_ms: now,
                uptime_ms: now,
                boot: String::new(),
            }
        });

        clock.look();
        again.review(&clock);
        assert_eq!(names(directory.path()).len(), 1);

        at.store(6_001, Ordering::Relaxed);
        again.review(&clock);
        assert_eq!(again.folder.usage(), (0, 0));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn one_source_has_a_quarter_and_nothing_gives_way() {
        let directory = tempfile::tempdir().unwrap();
        let quarantine = open(directory.path());
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        let full = |kept| matches!(kept, Err(NotKept::Full(Full::Share { limit: 10_000, .. })));
        quarantine
            .keep(&source("a", 1), &refusal, &[b'x'; 1_000])
            .unwrap();
        quarantine
            .keep(&source("a", 2), &refusal, &[b'x'; 1_000])
            .unwrap();
        assert!(
            full(quarantine.keep(&source("a", 3), &refusal, &[b'x'; 1_000])),
            "what it occupies counts, not its bytes"
        );
        quarantine
            .keep(&source("b", 4), &refusal, &[b'x'; 1_000])
            .unwrap();

        // A network of IPv6 addresses is one source, also where they are counted after a start.
        quarantine
            .keep(&source("2001:db8::1", 5), &refusal, &[b'x'; 1_000])
            .unwrap();
        quarantine
            .keep(&source("2001:db8::2", 6), &refusal, &[b'x'; 1_000])
            .unwrap();
        assert!(full(quarantine.keep(
            &source("2001:db8::3", 7),
            &refusal,
            &[b'x'; 1_000]
        )));
        assert!(full(open(directory.path()).keep(
            &source("2001:db8::4", 8),
            &refusal,
            &[b'x'; 1_000]
        )));
    }

    #[test]
    fn a_pass_is_one_source_at_whatever_addresses_and_passes_at_one_address_are_several() {
        let directory = tempfile::tempdir().unwrap();
        let refusal = Refusal::new(Code::JsonInvalid, "expected value");
        let put = |quarantine: &Quarantine, source: Source| {
            quarantine.keep(&source, &refusal, &[b'x'; 1_000]).is_ok()
        };
        let quarantine = open(directory.path());
        for peer in ["10.0.0.1", "2001:db8::1"] {
            assert!(put(&quarantine, with_pass(peer, 7)));
        }
        assert!(!put(&quarantine, with_pass("10.0.0.9", 7)));

        // Also where they are counted after a start.
        let quarantine = open(directory.path());
        assert!(!put(&quarantine, with_pass("10.0.0.9", 7)));
        assert!(put(&quarantine, with_pass("10.0.0.1", 8)));
        assert!(put(&quarantine, source("10.0.0.1", 1)));

        let of_one = QuarantineFilter {
            peer: Some("10.0.0.1".to_owned()),
            ..QuarantineFilter::default()
        };
        assert_eq!(quarantine.count(&of_one).unwrap(), 3);
    }
}
