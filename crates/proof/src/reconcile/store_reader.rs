//! Lists the picture store, and reads some of the pictures to compare their content.
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

use super::objects::StoredObject;
use super::{Error, Judge};
use crate::content_hash;
use boxbridge_config::{self as config, StoreUrl};

/// For one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Shows the judge every object, the first `read_max` pictures of the ledger with the hash of their content.
pub async fn look(store: &config::Store, read_max: u64, judge: &mut Judge) -> Result<(), Error> {
    judge.look_at_store();
    let Place { store, prefix } = open(store)?;
    let Some(store) = store else { return Ok(()) };
    let failed = |error: object_store::Error| Error::Store(error.to_string());
    let mut objects = store.list(Some(&prefix));
    let mut left = read_max;
    while let Some(object) = poll_fn(|context| objects.as_mut().poll_next(context)).await {
        let ObjectMeta { location, size, .. } = object.map_err(failed)?;
        let key = location.to_string();
        let mut sha256 = None;
        if left > 0 && judge.knows(&key) {
            left -= 1;
            match store.get(&location).await {
                Ok(found) => sha256 = Some(content_hash::of(&found.bytes().await.map_err(failed)?)),
                // Deleted since it was listed: then it is not there.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(failed(error)),
            }
        }
        judge.object(&StoredObject {
            key,
            bytes: size,
            sha256,
        });
    }
    Ok(())
}

/// An opened store, and what every key in it begins with. `None` for a folder that was never made: an empty store.
struct Place {
    store: Option<Box<dyn ObjectStore>>,
    prefix: Path,
}

fn open(store: &config::Store) -> Result<Place, Error> {
    match &store.url {
        StoreUrl::File(folder) => {
            // What may not be looked into is not empty.
            let is_there = folder
                .read_dir()
                .map(|_| true)
                .or_else(|error| match error.kind() {
                    ErrorKind::NotFound => Ok(false),
                    _ => Err(Error::Store(format!("{}: {error}", folder.display()))),
                })?;
            if !is_there {
                return Ok(Place {
                    store: None,
                    prefix: Path::default(),
                });
            }
            let files = LocalFileSystem::new_with_prefix(folder)
                .map_err(|error| Error::Store(error.to_string()))?;
            Ok(Place {
                store: Some(Box::new(files)),
                prefix: Path::default(),
            })
        }
        StoreUrl::S3(bucket) => {
            let store = bucket::open(bucket, ANSWER_WITHIN, ANSWER_WITHIN)
                .map_err(|error| Error::Store(error.to_string()))?;
            Ok(Place {
                store: Some(store),
                prefix: Path::from(bucket.prefix.as_str()),
            })
        }
    }
}
