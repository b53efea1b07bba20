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
    let Some(Opened { store, prefix }) = open(store)? else {
        return Ok(());
    };

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

/// An opened store, and what every key in it begins with.
struct Opened {
    store: Box<dyn ObjectStore>,
    prefix: Path,
}

/// `None` for a folder that was never made: an empty store.
fn open(store: &config::Store) -> Result<Option<Opened>, Error> {
    match &store.url {
        StoreUrl::File(folder) => match folder.read_dir() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // What may not be looked into is not empty.
            Err(error) => Err(Error::Store(format!("{}: {error}", folder.display()))),
            Ok(_) => {
                let files = LocalFileSystem::new_with_prefix(folder).map_err(failed)?;
                Ok(Some(Opened {
                    store: Box::new(files),
                    prefix: Path::default(),
                }))
            }
        },
        StoreUrl::S3(bucket) => {
            let prefix = Path::from(bucket.prefix.as_str());
            let store = bucket::open(bucket, ANSWER_WITHIN, ANSWER_WITHIN).map_err(failed)?;
            Ok(Some(Opened { store, prefix }))
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Store(error.to_string())
}
