//! Pictures → the picture store: a folder or an S3 bucket. Of the gateway the only place that knows object_store.
//!
//! Promises: a record is acknowledged when every picture of it lies in the store; what of a folder is durable by then says
//! [`Store::written`]; the same picture is not
//! sent twice within a day, nor twice at once; a store that is down, full of quota or does not know us is waited for, and a picture is
//! given up only if the store refuses it and takes another in its place; one that fails in the store while others do not is tried again alone. Deliberately makes no bucket, and reads
//! nothing back but for `check` and `reconcile`.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use boxbridge_connect::bucket;
use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions};

use super::patience::Patience;
use super::{ConnectError, Destination};
use crate::fault::Fault;
use crate::metrics;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::written::Written;
use boxbridge_config::StoreUrl;
use boxbridge_event::{Lane, Object, PictureKind};

mod batch;
mod files;
mod known;
mod session;
mod verdict;

pub use boxbridge_connect::bucket::prefix;
pub use session::Session;

use batch::Batch;
use files::Files;
use known::{Claim, Known};
use verdict::Verdict;

/// The folder or bucket of `[send.store]`.
pub struct Store {
    disk: Disk,
    config: boxbridge_config::Store,
    /// Of a folder whose pictures are synced in batches.
    written: Option<Arc<Written>>,
    /// Made at the first connect: until then the disk may not be mounted.
    shared: OnceLock<Arc<Shared>>,
}

/// What the sessions of both lanes share.
struct Shared {
    backend: Backend,
    known: Known,
    concurrency: usize,
    /// For all but an upload to a bucket.
    timeout: Duration,
    /// For an upload to a bucket, which a thin line may carry for long.
    patience: Patience,
}

enum Backend {
    Files(Arc<Files>),
    /// The prefix is as the operator wrote it.
    Bucket {
        store: Box<dyn ObjectStore>,
        prefix: String,
    },
}

/// What became of a picture, where the store is not down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Stored,
    /// The file store has no room for it.
    Full,
    /// Refused for good, in the store's words.
    Refused(String),
    /// Not taken now, though the store takes others.
    NotNow(String),
}

/// An object of ours that shows whether we may write; it stays, since who may write may not always delete.
const PROBE: &str = "boxbridge-probe";
const PROBE_BYTES: &[u8] = b"boxbridge writes its pictures here\n";

impl Store {
    pub fn new(config: boxbridge_config::Store) -> Store {
        Store::on(Disk::default(), config)
    }

    /// The same by way of `disk`, where it is a folder.
    pub fn on(disk: Disk, config: boxbridge_config::Store) -> Store {
        let in_batches = matches!(config.url, StoreUrl::File(_)) && batch::is_possible();
        Store {
            disk,
            config,
            written: in_batches.then(Arc::default),
            shared: OnceLock::new(),
        }
    }

    /// Whether an object is there, for `reconcile`.
    pub async fn exists(&self, key: &str) -> Result<bool, ConnectError> {
        let shared = self.shared()?;
        let found = match &shared.backend {
            Backend::Files(files) => {
                let key = key.to_owned();
                return shared
                    .on_disk(files, move |files| files.exists(&key))
                    .await
                    .map_err(Failure::into_connect_error);
            }
            Backend::Bucket { store, .. } => shared.within(store.head(&shared.path(key))).await,
        };
        match found {
            Ok(_) => Ok(true),
            Err(Failure::Store(object_store::Error::NotFound { .. })) => Ok(false),
            Err(failure) => Err(failure.into_connect_error()),
        }
    }

    /// What `check --online` does: puts a small object, reads it back and deletes it; an error says which of them failed.
    pub async fn probe(&self) -> Result<(), ConnectError> {
        let shared = self.shared()?;
        let key = format!("{PROBE}-{}", std::process::id());
        let step = |what: &'static str| {
            move |failure: Failure| ConnectError {
                message: format!("store: cannot {what}: {}", failure.detail()),
            }
        };
        shared
            .write_probe(key.clone())
            .await
            .map_err(step("write"))?;
        if shared.read_probe(key.clone()).await.map_err(step("read"))? != PROBE_BYTES {
            return Err(ConnectError {
                message: format!(
                    "store: wrote {} bytes and read back others",
                    PROBE_BYTES.len()
                ),
            });
        }
        shared.delete_probe(key).await.map_err(step("delete"))
    }

    /// Counts what the file store holds and removes what is older than `keep`, every hour, for as long as it is polled. Returns at
    /// once for a bucket, which has its own rules for that.
    pub async fn keep_clean(&self, clock: &Arc<Clock>) {
        loop {
            match self.sweep(clock).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "the picture store could not be swept"),
            }
            tokio::time::sleep(files::SWEEP_EVERY).await;
        }
    }

    /// How much of what it wrote is durable; `None` where a picture is durable once it is stored.
    pub fn written(&self) -> Option<&Arc<Written>> {
        self.written.as_ref()
    }

    /// Syncs what was written, every second or 64 MiB, for as long as it is polled.
    pub async fn keep_synced(&self) {
        while self.written.is_some() {
            match self.shared.get().and_then(|shared| shared.batch()) {
                Some(batch) => batch.due().await,
                None => tokio::time::sleep(batch::BATCH_TIME).await,
            }
            self.sync().await;
        }
    }

    /// Syncs what was written until now.
    pub async fn sync(&self) {
        let Some(shared) = self.shared.get().map(Arc::clone) else {
            return;
        };
        let synced = tokio::task::spawn_blocking(move || {
            let forget = || shared.known.forget();
            shared.batch().map_or(Ok(()), |batch| batch.sync(forget))
        });
        if let Ok(Err(error)) = synced.await {
            tracing::error!(
                %error,
                "the picture store's disk failed a sync: what was written since the last one is written again"
            );
        }
    }

    /// One round of [`Store::keep_clean`]; `false` if there is nothing to sweep.
    pub async fn sweep(&self, clock: &Arc<Clock>) -> Result<bool, ConnectError> {
        let (shared, clock) = (Arc::clone(self.shared()?), Arc::clone(clock));
        let swept = tokio::task::spawn_blocking(move || match &shared.backend {
            Backend::Files(files) => files.sweep(&shared.known, &clock).map(|()| true),
            Backend::Bucket { .. } => Ok(false),
        });
        match swept.await {
            Ok(result) => result.map_err(|error| Failure::File(error).into_connect_error()),
            Err(_) => Err(ConnectError {
                message: format!("store: the sweep ended early: {Fault}"),
            }),
        }
    }

    fn shared(&self) -> Result<&Arc<Shared>, ConnectError> {
        if let Some(shared) = self.shared.get() {
            return Ok(shared);
        }

        let config = &self.config;
        let patience = Patience::new(config.timeout);
        let open = |settings: &boxbridge_config::Bucket| {
            bucket::open(settings, config.timeout, patience.longest()).map_err(|error| {
                ConnectError {
                    message: format!("store: {error}"),
                }
            })
        };
        let backend = match &config.url {
            StoreUrl::File(root) => Backend::Files(Arc::new(Files::open(
                &self.disk,
                root,
                config.keep,
                config.max_bytes,
                self.written.clone(),
            )?)),
            StoreUrl::S3(bucket) => Backend::Bucket {
                store: open(bucket)?,
                prefix: bucket.prefix.clone(),
            },
        };
        let (concurrency, timeout) = (config.concurrency, config.timeout);

        let shared = Shared {
            backend,
            known: Known::new(),
            concurrency,
            timeout,
            patience,
        };
        Ok(self.shared.get_or_init(|| Arc::new(shared)))
    }
}

impl Destination for Store {
    type Message = Vec<Object>;
    type Session = Session;

    /// Shows that we may write, by writing: a right to write is all that we need. A file system without inodes is not down: it has room for no
    /// picture, and each is told so.
    async fn connect(&self, _: Lane) -> Result<Session, ConnectError> {
        let shared = self.shared()?;
        if !matches!(&shared.backend, Backend::Files(files) if !files.has_inodes()) {
            shared
                .write_probe(PROBE.to_owned())
                .await
                .map_err(Failure::into_connect_error)?;
        }
        Ok(Session::new(Arc::clone(shared)))
    }
}

/// Why a call to the store did not work.
enum Failure {
    Store(object_store::Error),
    File(std::io::Error),
    Timeout(Duration),
}

impl Failure {
    fn detail(&self) -> String {
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

    fn into_connect_error(self) -> ConnectError {
        ConnectError {
            message: format!("store: {}", self.detail()),
        }
    }
}

impl Shared {
    fn batch(&self) -> Option<&Batch> {
        match &self.backend {
            Backend::Files(files) => files.batch(),
            Backend::Bucket { .. } => None,
        }
    }

    fn path(&self, key: &str) -> Path {
        match &self.backend {
            Backend::Bucket { prefix, .. } if !prefix.is_empty() => {
                Path::from(format!("{prefix}/{key}"))
            }
            _ => Path::from(key),
        }
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(result) => result.map_err(Failure::Store),
            Err(_) => Err(Failure::Timeout(self.timeout)),
        }
    }

    /// The same for an upload. One that was given up says nothing of the object: the next has twice the time.
    async fn within_patience<T>(
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
    fn uploads(&self, mut objects: Vec<Object>) -> Vec<Vec<Object>> {
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
    async fn put(&self, objects: Vec<Object>) -> Result<Vec<(PictureKind, Outcome)>, String> {
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
    async fn on_disk<T: Send + 'static>(
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
    async fn put_files(
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

    async fn put_objects(
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

    async fn put_object(
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

    async fn write_probe(&self, key: String) -> Result<(), Failure> {
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

    async fn read_probe(&self, key: String) -> Result<Bytes, Failure> {
        match &self.backend {
            Backend::Files(files) => self
                .on_disk(files, move |files| files.read(&key))
                .await
                .map(Bytes::from),
            Backend::Bucket { store, .. } => {
                self.within(async { store.get(&self.path(&key)).await?.bytes().await })
                    .await
            }
        }
    }

    async fn delete_probe(&self, key: String) -> Result<(), Failure> {
        match &self.backend {
            Backend::Files(files) => self.on_disk(files, move |files| files.delete(&key)).await,
            Backend::Bucket { store, .. } => self.within(store.delete(&self.path(&key))).await,
        }
    }
}
