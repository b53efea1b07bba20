//! Pictures → the picture store: a folder or an S3 bucket. Of the gateway the only place that knows object_store.
//!
//! Promises: a record is acknowledged when every picture of it lies in the store; what of a folder is durable by then says
//! [`Store::written`]; the same picture is not
//! sent twice within a day, nor twice at once; a store that is down, full of quota or does not know us is waited for, and a picture is
//! given up only if the store refuses it and takes another in its place; one that fails in the store while others do not is tried again alone. Deliberately makes no bucket.

use std::sync::Arc;

use boxbridge_connect::bucket;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parking_lot::Mutex;

use super::patience::Patience;
use super::{ConnectError, Destination};
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::fault::Fault;
use crate::system::written::Written;
use boxbridge_config::StoreUrl;
use boxbridge_event::{Lane, Object};

mod batch;
mod files;
mod known;
mod presigned;
mod session;
mod shared;
mod verdict;

pub use boxbridge_connect::bucket::prefix;
pub use presigned::Presigned;
pub use session::Session;

use files::Files;
use known::Known;
use shared::{Backend, Failure, PROBE, PROBE_BYTES, Shared};

/// The folder or bucket of `[send.store]`.
pub struct Store {
    disk: Disk,
    /// Of a folder whose pictures are synced in batches.
    written: Option<Arc<Written>>,
    opened: Mutex<Opened>,
}

/// By which settings it is opened, and what sessions share once it is.
struct Opened {
    config: Arc<boxbridge_config::Store>,
    /// Made at the first connect: until then the disk may not be mounted.
    shared: Option<Arc<Shared>>,
}

impl Store {
    pub fn new(config: boxbridge_config::Store) -> Store {
        Store::on(Disk::default(), config)
    }

    /// The same by way of `disk`, where it is a folder.
    pub fn on(disk: Disk, config: boxbridge_config::Store) -> Store {
        let in_batches = matches!(config.url, StoreUrl::File(_)) && batch::is_possible();
        Store {
            disk,
            written: in_batches.then(Arc::default),
            opened: Mutex::new(Opened {
                config: Arc::new(config),
                shared: None,
            }),
        }
    }

    /// Holds for every session that begins from now on; a reload never moves a store.
    pub fn adopt(&self, config: boxbridge_config::Store) {
        let mut opened = self.opened.lock();
        let shared = opened.shared.take();
        opened.shared = shared.and_then(|shared| shared.with(&config)).map(Arc::new);
        opened.config = Arc::new(config);
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
            Err(failure) if failure.is_not_found() => Ok(false),
            Err(failure) => Err(failure.into_connect_error()),
        }
    }

    /// An object that has at most so many bytes; `None` if there is none of that name.
    pub async fn read(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, ConnectError> {
        let shared = self.shared()?;
        match shared.read(key.to_owned(), bytes_max).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(failure) if failure.is_not_found() => Ok(None),
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
        let read = shared.read(key.clone(), PROBE_BYTES.len() as u64).await;
        if read.map_err(step("read"))? != PROBE_BYTES {
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
            let opened = self.opened.lock().shared.clone();
            match opened.as_ref().and_then(|shared| shared.batch()) {
                Some(batch) => batch.due().await,
                None => tokio::time::sleep(batch::BATCH_TIME).await,
            }
            self.sync().await;
        }
    }

    /// Syncs what was written until now.
    pub async fn sync(&self) {
        let Some(shared) = self.opened.lock().shared.clone() else {
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
        let (shared, clock) = (self.shared()?, Arc::clone(clock));
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

    fn shared(&self) -> Result<Arc<Shared>, ConnectError> {
        loop {
            let (config, shared) = {
                let opened = self.opened.lock();
                (Arc::clone(&opened.config), opened.shared.clone())
            };
            if let Some(shared) = shared {
                return Ok(shared);
            }

            let made = Arc::new(self.open(&config)?);
            let mut opened = self.opened.lock();
            // Other settings came meanwhile: then by those.
            if Arc::ptr_eq(&opened.config, &config) {
                return Ok(Arc::clone(opened.shared.get_or_insert(made)));
            }
        }
    }

    fn open(&self, config: &boxbridge_config::Store) -> Result<Shared, ConnectError> {
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

        Ok(Shared {
            backend,
            known: Known::new(),
            concurrency: config.concurrency,
            timeout: config.timeout,
            patience,
        })
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
        Ok(Session::new(shared))
    }
}
