//! Links to objects that the bucket opens itself: signed with our credentials, without asking anybody.
//!
//! Promises: a link opens for as long as was asked, or until the credentials end that it is signed with. Deliberately signs only with
//! credentials that were looked up before: who makes a link does not wait.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use boxbridge_connect::bucket;
use hyper::Method;
use object_store::aws::{AmazonS3, AwsCredential};
use object_store::path::Path;
use object_store::signer::Signer;
use parking_lot::RwLock;

use crate::send::ConnectError;
use boxbridge_config::Bucket;

pub struct Presigned {
    bucket: Bucket,
    /// How others reach the bucket, where that is not as we do.
    url: Option<String>,
    /// Knows where credentials come from.
    source: AmazonS3,
    signer: RwLock<Option<Signs>>,
}

/// By credentials that are at hand.
struct Signs {
    credential: Arc<AwsCredential>,
    client: Arc<AmazonS3>,
}

impl Presigned {
    pub fn new(bucket: &Bucket, url: Option<&str>) -> Result<Presigned, ConnectError> {
        let source = bucket::signer(bucket, url, None).map_err(cannot_sign)?;
        let presigned = Presigned {
            bucket: bucket.clone(),
            url: url.map(str::to_owned),
            source,
            signer: RwLock::default(),
        };

        // Those of the settings are there at once.
        if let Some(Ok(credential)) = at_once(presigned.source.credentials().get_credential()) {
            presigned.take(credential)?;
        }
        Ok(presigned)
    }

    /// A link to the object of this name; `None` where there are no credentials now.
    pub fn link(&self, name: &str, open_for: Duration) -> Option<String> {
        let client = {
            let signer = self.signer.read();
            Arc::clone(&signer.as_ref()?.client)
        };
        let path = match self.bucket.prefix.as_str() {
            "" => Path::from(name),
            prefix => Path::from(format!("{prefix}/{name}")),
        };
        let signed = at_once(client.signed_url(Method::GET, &path, open_for))?;
        signed.ok().map(String::from)
    }

    /// To be done again and again: those of a machine's role change.
    pub async fn look_up_credentials(&self) -> Result<(), ConnectError> {
        let found = self.source.credentials().get_credential().await;
        self.take(found.map_err(cannot_sign)?)
    }

    fn take(&self, credential: Arc<AwsCredential>) -> Result<(), ConnectError> {
        let is_same = |signs: &Signs| signs.credential == credential;
        if self.signer.read().as_ref().is_some_and(is_same) {
            return Ok(());
        }

        let client = bucket::signer(&self.bucket, self.url.as_deref(), Some(&credential));
        let client = Arc::new(client.map_err(cannot_sign)?);
        *self.signer.write() = Some(Signs { credential, client });
        Ok(())
    }
}

fn cannot_sign(error: impl std::fmt::Display) -> ConnectError {
    ConnectError {
        message: format!("store: {error}"),
    }
}

/// What a future has now; one that would wait is dropped.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
