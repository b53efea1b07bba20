//! Lists the picture store, and reads some of the pictures to compare their content.
//!
//! Promises: memory for one object at a time, however many there are. Deliberately read-only, and reads only what a ledger
//! names: the store of a site holds pictures of real people.

use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{Certificate, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

use super::objects::StoredObject;
use super::{Error, Judge};
use crate::commands::simulate::hex;
use crate::config::{self, Secret, StoreUrl};

/// For one request.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Shows the judge every object, the first `read_max` pictures of the ledger with the hash of their content.
pub async fn look(store: &config::Store, read_max: u64, judge: &mut Judge) -> Result<(), Error> {
    judge.look_at_store();
    let Place { store, prefix } = open(store)?;
    let Some(store) = store else { return Ok(()) };
    let prefix = object_store::path::Path::from(prefix);
    let failed = |error: object_store::Error| Error::Store(error.to_string());
    let mut objects = store.list(Some(&prefix));
    let mut left = read_max;
    while let Some(object) = poll_fn(|context| objects.as_mut().poll_next(context)).await {
        let ObjectMeta { location, size, .. } = object.map_err(failed)?;
        let key =
            location.prefix_match(&prefix).map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
        let key = key.unwrap_or_default();
        let mut sha256 = None;
        if left > 0 && judge.knows(&key) {
            left -= 1;
            match store.get(&location).await {
                Ok(found) => sha256 = Some(hex(&Sha256::digest(found.bytes().await.map_err(failed)?))),
                // Deleted since it was listed: then it is not there.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(failed(error)),
            }
        }
        judge.object(&StoredObject { key, bytes: size, sha256 });
    }
    Ok(())
}

/// An opened store, and what stands before every key in it. `None` for a folder that was never made: an empty store.
struct Place {
    store: Option<Box<dyn ObjectStore>>,
    prefix: String,
}

fn open(store: &config::Store) -> Result<Place, Error> {
    match &store.url {
        StoreUrl::File(folder) if !folder.exists() => Ok(Place { store: None, prefix: String::new() }),
        StoreUrl::File(folder) => {
            let files = LocalFileSystem::new_with_prefix(folder).map_err(|error| Error::Store(error.to_string()))?;
            Ok(Place { store: Some(Box::new(files)), prefix: String::new() })
        }
        StoreUrl::S3 { bucket, prefix, endpoint, region, virtual_host, credentials, ca_file } => {
            let builder = credentials_of(credentials.as_ref())
                .with_bucket_name(bucket)
                .with_region(region)
                .with_virtual_hosted_style_request(*virtual_host)
                .with_client_options(client(endpoint.as_deref(), ca_file.as_deref())?);
            let builder = match endpoint {
                Some(endpoint) if *virtual_host => builder.with_endpoint(endpoint.replacen("://", &format!("://{bucket}."), 1)),
                Some(endpoint) => builder.with_endpoint(endpoint),
                None => builder,
            };
            let store = builder.build().map_err(|error| Error::Store(error.to_string()))?;
            Ok(Place { store: Some(Box::new(store)), prefix: prefix.clone() })
        }
    }
}

fn credentials_of(credentials: Option<&(String, Secret)>) -> AmazonS3Builder {
    match credentials {
        Some((id, secret)) => AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose()),
        None => AmazonS3Builder::from_env(),
    }
}

fn client(endpoint: Option<&str>, ca_file: Option<&Path>) -> Result<ClientOptions, Error> {
    // reqwest is built without a cryptography of its own. Whoever was first is right: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut options = ClientOptions::new()
        .with_timeout(ANSWER_WITHIN)
        .with_allow_http(is_plain)
        .with_no_system_certificates(is_plain || ca_file.is_some());
    if let Some(file) = ca_file {
        let failed = |error: String| Error::Store(format!("cannot use {}: {error}", file.display()));
        let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| failed(error.to_string()))? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}
