//! Lists a picture store, and reads some of the pictures to compare their content.
//!
//! Promises: memory for one object at a time, however many there are. Deliberately read-only, and reads only what a ledger
//! names: the store of a site holds pictures of real people.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::time::Duration;

use boxbridge_connect::bucket;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::Error;
use super::judge::{Judge, StoredObject};
use crate::content_hash;
use boxbridge_config::{self as config, StoreUrl};

/// For one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Shows the judge every object in the store of this name, the first `read_max` pictures of the ledger with the hash of their content.
pub async fn look(
    name: &str,
    store: &config::Store,
    read_max: u64,
    judge: &mut Judge,
) -> Result<(), Error> {
    let failed = |reason: String| Error::Store {
        store: name.to_owned(),
        reason,
    };
    judge.look_at_store(name);
    let Some(store) = open(store).map_err(failed)? else {
        return Ok(());
    };

    let mut objects = store.objects.list(Some(&store.prefix));
    let mut left = read_max;
    while let Some(object) = poll_fn(|context| objects.as_mut().poll_next(context)).await {
        let object = object.map_err(|error| failed(error.to_string()))?;
        let is_read = left > 0 && judge.knows(object.location.as_ref());
        left -= u64::from(is_read);

        let found = store.look_at(object, is_read).await.map_err(failed)?;
        if let Some(found) = found {
            judge.object(name, &found);
        }
    }
    Ok(())
}

/// An opened store, and what every key in it begins with.
struct Opened {
    objects: Box<dyn ObjectStore>,
    prefix: Path,
}

impl Opened {
    /// `None` where it was deleted since it was listed: then it is not there.
    async fn look_at(
        &self,
        object: ObjectMeta,
        is_read: bool,
    ) -> Result<Option<StoredObject>, String> {
        let sha256 = match is_read {
            true => match self.content_hash(&object.location).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                read => Some(read.map_err(|error| error.to_string())?),
            },
            false => None,
        };

        Ok(Some(StoredObject {
            key: object.location.to_string(),
            bytes: object.size,
            sha256,
        }))
    }

    async fn content_hash(&self, location: &Path) -> object_store::Result<String> {
        let found = self.objects.get(location).await?;
        Ok(content_hash::of(&found.bytes().await?))
    }
}

/// `None` for a folder that was never made: an empty store.
fn open(store: &config::Store) -> Result<Option<Opened>, String> {
    let folder = match &store.url {
        StoreUrl::File(folder) => folder,
        StoreUrl::S3(bucket) => {
            let opened = bucket::open(bucket, ANSWER_WITHIN, ANSWER_WITHIN);
            return Ok(Some(Opened {
                objects: opened.map_err(|error| error.to_string())?,
                prefix: Path::from(bucket.prefix.as_str()),
            }));
        }
    };

    // What may not be looked into is not empty.
    match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", folder.display())),
        Ok(_) => {}
    }
    let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| error.to_string())?;
    Ok(Some(Opened {
        objects: Box::new(files),
        prefix: Path::default(),
    }))
}
