//! The folder or bucket itself, as the sessions of both lanes share it: how pictures are put there, and what is believed of them.
//!
//! Promises: the same picture is not put twice at once, nor twice within a day; every call ends within its timeout. Deliberately decides
//! nothing of records: that is the session's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions};

use super::batch::Batch;
use super::files::Files;
use super::known::{Claim, Known};
use super::verdict::{self, Verdict};
use crate::metrics;
use crate::send::ConnectError;
use crate::send::patience::Patience;
use crate::system::fault::Fault;
use boxbridge_event::{Object, PictureKind};

/// What the sessions of both lanes share.
pub(super) struct Shared {
    pub(super) backend: Backend,
    pub(super) known: Known,
    pub(super) concurrency: usize,
    /// For all but an upload to a bucket.
    pub(super) timeout: Duration,
    /// For an upload to a bucket, which a thin line may carry for long.
    pub(super) patience: Patience,
}

pub(super) enum Backend {
    Files(Arc<Files>),
    /// The prefix is as the operator wrote it.
    Bucket {
        store: Box<dyn ObjectStore>,
        prefix: String,
    },
}

/// What became of a picture, where the store is not down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    /// The file store has no room for it.
    Full,
    /// Refused for good, in the store's words.
    Refused(String),
    /// Not taken now, though the store takes others.
    NotNow(String),
}

/// An object of ours that shows whether we may write; it stays, since who may write may not always delete.
pub(super) const PROBE: &str = "boxbridge-probe";
pub(super) const PROBE_BYTES: &[u8] = b"boxbridge writes its pictures here\n";

/// Why a call to the store did not work.
pub(super) enum Failure {
    Store(object_store::Error),
    File(std::io::Error),
    Timeout(Duration),
}

impl Failure {
    pub(super) fn detail(&self) -> String {
        match self {
            Failure::Store(error) => {
                let detail = verdict::detail(error);
                let remedy = verdict::remedy(&detail);
                format!("{detail}{remedy}")
            }
            Failure::File(error) => error.to_string(),
            Failure::Timeout(timeout) => format!("no answer within {timeout:?}"),
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        match self {
            Failure::Store(error) => matches!(error, object_store::Error::NotFound { .. }),
            Failure::File(error) => error.kind() == std::io::ErrorKind::NotFound,
            Failure::Timeout(_) => false,
        }
    }

    pub(super) fn into_connect_error(self) -> ConnectError {
        ConnectError {
            message: format!("store: {}", self.detail()),
        }
    }
}

impl Shared {
    /// The same folder by other settings; `None` for a bucket, whose client is made anew.
    pub(super) fn with(&self, config: &boxbridge_config::Store) -> Option<Shared> {
        let Backend::Files(files) = &self.backend else {
            return None;
        };
        files.limit(config.keep, config.max_bytes);
        Some(Shared {
            backend: Backend::Files(Arc::clone(files)),
            known: self.known.clone(),
            concurrency: config.concurrency,
            timeout: config.timeout,
            patience: Patience::new(config.timeout),
        })
    }

    pub(super) fn batch(&self) -> Option<&Batch> {
        match &self.backend {
            Backend::Files(files) => files.batch(),
            Backend::Bucket { .. } => None,
        }
    }

    pub(super) fn path(&self, key: &str) -> Path {
        match &self.backend {
            Backend::Bucket { prefix, .. } if !prefix.is_empty() => {
                Path::from(format!("{prefix}/{key}"))
            }
            _ => Path::from(key),
        }
    }

    pub(super) async fn within<T>(
        &self,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(result) => result.map_err(Failure::Store),
            Err(_) => Err(Failure::Timeout(self.timeout)),
        }
    }

    /// The same for an upload. One that was given up says nothing of the object: the next has twice the time.
    pub(super) async fn within_patience<T>(
        &self,
        upload: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        let (patience, began) = (self.patience.now(), Instant::now());
        match tokio::time::timeout(patience, upload).await {
            Ok(result) => {
                self.patience.answered(began.elapsed());
                result.map_err(Failure::Store)
            }
            Err(_) => {
                self.patience.given_up(patience);
                Err(Failure::Timeout(patience))
            }
        }
    }

    /// What is put in one go: into a folder all pictures of a record, into a bucket each by itself.
    pub(super) fn uploads(&self, mut objects: Vec<Object>) -> Vec<Vec<Object>> {
        match &self.backend {
            Backend::Files(_) => {
                // Whoever claims several does it in this order, so that no two wait for each other.
                objects.sort_by(|one, other| one.key.cmp(&other.key));
                objects.dedup_by(|one, other| one.key == other.key);
                vec![objects]
            }
            Backend::Bucket { .. } => objects.into_iter().map(|object| vec![object]).collect(),
        }
    }

    /// Puts what is not there yet, and says what became of each; an error means that the store is down.
    pub(super) async fn put(
        &self,
        objects: Vec<Object>,
    ) -> Result<Vec<(PictureKind, Outcome)>, String> {
        let (mut outcomes, mut ours) = (Vec::with_capacity(objects.len()), Vec::new());
        for object in objects {
            match self.known.claim(object.kind, &object.key).await {
                Claim::Ours(claim) => ours.push((claim, object)),
                Claim::Stored => {
                    metrics::pictures_saved(object.bytes.len() as u64);
                    outcomes.push((object.kind, Outcome::Stored));
                }
            }
        }

        let (claims, ours): (Vec<_>, Vec<_>) = ours.into_iter().unzip();
        let put = match &self.backend {
            Backend::Files(files) => self.put_files(files, &ours).await?,
            Backend::Bucket { store, .. } => self.put_objects(store.as_ref(), &ours).await?,
        };

        for ((claim, object), outcome) in claims.into_iter().zip(&ours).zip(put) {
            if outcome == Outcome::Stored && !claim.stored() {
                let key = &object.key;
                return Err(format!(
                    "store: the disk failed a sync while {key} was written"
                ));
            }
            outcomes.push((object.kind, outcome));
        }
        Ok(outcomes)
    }

    /// Work that blocks on the disk goes on when its time is over, but nobody waits for it any more.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        files: &Arc<Files>,
        work: impl FnOnce(&Files) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let files = Arc::clone(files);
        let work = tokio::task::spawn_blocking(move || work(&files));
        let done = tokio::time::timeout(self.timeout, work)
            .await
            .map_err(|_| Failure::Timeout(self.timeout))?;
        done.unwrap_or_else(|_| Err(std::io::Error::other(Fault)))
            .map_err(Failure::File)
    }

    /// In one go: each hand-over to another thread costs as much as writing a picture.
    pub(super) async fn put_files(
        &self,
        files: &Arc<Files>,
        objects: &[Object],
    ) -> Result<Vec<Outcome>, String> {
        let wanted: Vec<_> = objects
            .iter()
            .map(|object| (object.key.clone(), object.bytes.clone()))
            .collect();
        let put = move |files: &Files| {
            let mut outcomes = Vec::with_capacity(wanted.len());
            for (key, bytes) in wanted {
                match files.put(&key, &bytes) {
                    Ok(true) => outcomes.push(Outcome::Stored),
                    Ok(false) => outcomes.push(Outcome::Full),
                    Err(error) => return Ok(Err((key, error))),
                }
            }
            Ok(Ok(outcomes))
        };

        // A disk that is full or broken is down: what it says of one file it says of all.
        let cannot_write =
            |what: &str, detail: String| format!("store: cannot write {what}: {detail}");
        match self.on_disk(files, put).await {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err((key, error))) => Err(cannot_write(&key, error.to_string())),
            Err(failure) => Err(cannot_write("pictures", failure.detail())),
        }
    }

    pub(super) async fn put_objects(
        &self,
        store: &dyn ObjectStore,
        objects: &[Object],
    ) -> Result<Vec<Outcome>, String> {
        let mut outcomes = Vec::with_capacity(objects.len());
        for object in objects {
            outcomes.push(self.put_object(store, object).await?);
        }
        Ok(outcomes)
    }

    pub(super) async fn put_object(
        &self,
        store: &dyn ObjectStore,
        object: &Object,
    ) -> Result<Outcome, String> {
        let attributes =
            Attributes::from_iter([(Attribute::ContentType, object.media_type.clone())]);
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let path = self.path(&object.key);
        match self
            .within_patience(store.put_opts(&path, object.bytes.clone().into(), options))
            .await
        {
            Ok(_) => Ok(Outcome::Stored),
            Err(Failure::Store(error)) if verdict::of(&error) != Verdict::Down => {
                // Believed only if the store takes an object of ours beside it; else it is the store, and we wait.
                let folder = object.key.split('/').next().unwrap_or_default();
                let probed = self.write_probe(format!("{folder}/{PROBE}")).await;
                probed.map_err(|failure| format!("store: {}", failure.detail()))?;

                let detail = verdict::detail(&error);
                let is_final = verdict::of(&error) == Verdict::MayBeTheObject;
                Ok(if is_final {
                    Outcome::Refused(detail)
                } else {
                    Outcome::NotNow(detail)
                })
            }
            Err(failure) => Err(format!("store: {}", failure.detail())),
        }
    }

    pub(super) async fn write_probe(&self, key: String) -> Result<(), Failure> {
        match &self.backend {
            Backend::Files(files) => {
                self.on_disk(files, move |files| files.write_probe(&key, PROBE_BYTES))
                    .await
            }
            Backend::Bucket { store, .. } => self
                .within(store.put(&self.path(&key), PROBE_BYTES.into()))
                .await
                .map(|_| ()),
        }
    }

    /// An object, if it has at most so many bytes.
    pub(super) async fn read(&self, key: String, bytes_max: u64) -> Result<Bytes, Failure> {
        match &self.backend {
            Backend::Files(files) => self
                .on_disk(files, move |files| files.read(&key, bytes_max))
                .await
                .map(Bytes::from),
            Backend::Bucket { store, .. } => {
                self.within(async {
                    let found = store.get(&self.path(&key)).await?;
                    match found.meta.size <= bytes_max {
                        true => found.bytes().await,
                        false => Err(too_large(found.meta.size)),
                    }
                })
                .await
            }
        }
    }

    pub(super) async fn delete_probe(&self, key: String) -> Result<(), Failure> {
        match &self.backend {
            Backend::Files(files) => self.on_disk(files, move |files| files.delete(&key)).await,
            Backend::Bucket { store, .. } => self.within(store.delete(&self.path(&key))).await,
        }
    }
}

fn too_large(bytes: u64) -> object_store::Error {
    object_store::Error::Generic {
        store: "bucket",
        source: format!("the object has {bytes} bytes, which no picture of ours has").into(),
    }
}
