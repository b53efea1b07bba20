//! The S3 bucket: how its client is made.
//!
//! Promises: every request has a time limit; credentials stand in no message. Deliberately leaves requests that fail for a moment to
//! object_store's own few retries, and the rest to the queue.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use boxbridge_config::{Bucket, Secret};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection idle for so long is not trusted again: load balancers forget it after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// For asking the machine's role for credentials.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("the client cannot be made: {0}")]
    Client(object_store::Error),
    #[error("cannot use {path}: {reason}", path = path.display())]
    Authority { path: PathBuf, reason: String },
}

/// A client for this bucket; it has asked nothing yet. `timeout` is for connecting, and for how long what failed is tried
/// again; `longest` for one request, however much it carries.
pub fn open(
    bucket: &Bucket,
    timeout: Duration,
    longest: Duration,
) -> Result<Box<dyn ObjectStore>, BucketError> {
    // reqwest is built without a cryptography of its own. If another part of us installed it first, it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let builder = builder(bucket, bucket.endpoint.as_deref())
        .with_client_options(client(bucket, timeout, longest)?)
        .with_retry(retries(timeout));
    let store = builder.build().map_err(BucketError::Client)?;
    Ok(Box::new(store))
}

/// Signs links to objects of this bucket, which others reach at `url`, or as we do. It signs with this credential, or with those that
/// `bucket` names.
pub fn signer(
    bucket: &Bucket,
    url: Option<&str>,
    credential: Option<&AwsCredential>,
) -> Result<AmazonS3, BucketError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = builder(bucket, url.or(bucket.endpoint.as_deref()))
        .with_client_options(client(bucket, LOOK_UP, LOOK_UP)?)
        .with_retry(retries(LOOK_UP));

    if let Some(AwsCredential {
        key_id,
        secret_key,
        token,
    }) = credential
    {
        let provider = StaticCredentialProvider::new(AwsCredential {
            key_id: key_id.clone(),
            secret_key: secret_key.clone(),
            token: token.clone(),
        });
        builder = builder.with_credentials(Arc::new(provider));
    }
    builder.build().map_err(BucketError::Client)
}

fn builder(bucket: &Bucket, endpoint: Option<&str>) -> AmazonS3Builder {
    let builder = match &bucket.credentials {
        Some((key_id, secret)) => AmazonS3Builder::new()
            .with_access_key_id(key_id)
            .with_secret_access_key(secret.expose()),
        None => from_environment(&bucket.environment),
    };
    let builder = builder
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_virtual_hosted_style_request(bucket.virtual_host);
    match endpoint {
        Some(endpoint) => builder.with_endpoint(address(endpoint, bucket)),
        None => builder,
    }
}

/// A few quick retries; the queue waits for longer failures.
fn retries(timeout: Duration) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    };
    RetryConfig {
        backoff,
        max_retries: 2,
        retry_timeout: timeout,
    }
}

/// Deliberately not the library's `from_env`: that also reads the endpoint, over our settings.
fn from_environment(variables: &[(String, Secret)]) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value.expose());
        }
    }
    builder
}

/// The bucket's prefix as it stands in keys: object_store encodes characters that S3 advises against, and drops empty parts.
pub fn prefix(bucket: &Bucket) -> String {
    Path::from(bucket.prefix.as_str()).into()
}

/// Where requests go; object_store puts the bucket into the path, but not before the host.
fn address(endpoint: &str, bucket: &Bucket) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if bucket.virtual_host => format!("{scheme}://{}.{host}", bucket.name),
        _ => endpoint.to_owned(),
    }
}

fn client(
    bucket: &Bucket,
    timeout: Duration,
    longest: Duration,
) -> Result<ClientOptions, BucketError> {
    let endpoint = bucket.endpoint.as_deref();
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut options = ClientOptions::new()
        .with_timeout(longest)
        .with_connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .with_pool_idle_timeout(IDLE_TIMEOUT)
        .with_allow_http(plain)
        // A container without any authorities can still talk to an endpoint that needs none.
        .with_no_system_certificates(plain || bucket.ca_file.is_some());

    if let Some(file) = &bucket.ca_file {
        let failed = |error: &dyn std::fmt::Display| BucketError::Authority {
            path: file.clone(),
            reason: error.to_string(),
        };
        let pem = std::fs::read(file).map_err(|error| failed(&error))?;
        for certificate in Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))? {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_stands_before_the_host_where_the_operator_says_so() {
        let bucket = |virtual_host| Bucket {
            name: "faces".to_owned(),
            prefix: String::new(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            virtual_host,
            credentials: None,
            environment: Vec::new(),
            ca_file: None,
        };

        assert_eq!(
            address("https://s3.site:9000", &bucket(true)),
            "https://faces.s3.site:9000"
        );
        assert_eq!(
            address("https://s3.site:9000", &bucket(false)),
            "https://s3.site:9000"
        );
    }
}
