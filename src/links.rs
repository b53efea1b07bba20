//! Links to pictures: the `url` in events, which opens in a browser.
//!
//! Promises: a link is made as of the moment of sending, for one picture, and opens until it is over, by our own listener or by the bucket;
//! with links off there is none. Deliberately asks nobody: making one is a signature.
//!
//! `signature` is what makes a link ours, `listener` opens it, `album` finds the picture, and `answer` says it in HTTP. `later` tells of
//! pictures that were stored only after their event had left.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::send::ConnectError;
use crate::send::store::Presigned;
use boxbridge_config::{Current, LinkMode, Store, StoreUrl};
use boxbridge_event::{Event, PictureKind, PictureName, Sequence, Timestamp};

pub mod album;
pub mod answer;
pub mod later;
mod listener;
mod signature;

pub use listener::LinksPort;
pub use signature::{NotOpened, Opened, Signer};

/// How often the bucket's credentials are looked up: they are good for five minutes more.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Makes links by the settings that hold now, and opens our own.
#[derive(Default)]
pub struct Links {
    made_by: Current<LinkMaker>,
    replaced: Notify,
}

/// Who makes links.
#[derive(Default)]
pub enum LinkMaker {
    #[default]
    Nobody,
    Gateway(Own),
    Bucket {
        presigned: Presigned,
        open_for: Duration,
    },
}

/// Links that our listener opens.
pub struct Own {
    signer: Signer,
    /// What stands before a picture's name; ends in a slash.
    base: String,
    open_for: Duration,
}

impl LinkMaker {
    /// By these settings; `secret` is the one of `data_dir`, `base` says where our listener is.
    pub fn of(
        store: &Store,
        secret: &[u8],
        base: Option<String>,
    ) -> Result<LinkMaker, ConnectError> {
        let Some(links) = store.links.as_ref().filter(|_| store.public_url.is_none()) else {
            return Ok(LinkMaker::Nobody);
        };

        let open_for = links.open_for;
        match (links.mode, &store.url, base) {
            (LinkMode::Gateway, _, Some(base)) => {
                let shared = links.secret.as_ref();
                let secret = shared.map_or(secret, |shared| shared.expose().as_bytes());
                let signer = Signer::new(secret);
                let base = format!("{base}/");
                Ok(LinkMaker::Gateway(Own {
                    signer,
                    base,
                    open_for,
                }))
            }
            (LinkMode::Presigned, StoreUrl::S3(bucket), _) => {
                let presigned = Presigned::new(bucket, links.url.as_deref())?;
                Ok(LinkMaker::Bucket {
                    presigned,
                    open_for,
                })
            }
            _ => Ok(LinkMaker::Nobody),
        }
    }
}

impl Links {
    pub fn new(made_by: LinkMaker) -> Arc<Links> {
        Arc::new(Links {
            made_by: Current::new(made_by),
            replaced: Notify::new(),
        })
    }

    /// From now on links are made, and opened, by other settings.
    pub fn replace(&self, made_by: LinkMaker) {
        self.made_by.replace(made_by);
        self.replaced.notify_one();
    }

    /// A link to each picture of an event that is sent now. `record` is its place in the log that is open.
    pub fn of(
        &self,
        event: &Event,
        record: Option<Sequence>,
        now: Timestamp,
    ) -> Vec<(PictureKind, String)> {
        let made_by = self.made_by.now();
        let pictures = event.pictures.iter();
        let linked = pictures.filter_map(|(kind, picture)| {
            let link = made_by.link(&picture.key, record, now)?;
            Some((kind, link))
        });
        linked.collect()
    }

    /// Whether a link to this picture, with these words behind its `?`, opens now.
    fn open(&self, name: &PictureName, query: &str) -> Result<Opened, NotOpened> {
        match &*self.made_by.now() {
            LinkMaker::Gateway(own) => own.signer.open(name, query, Timestamp::now()),
            LinkMaker::Bucket { .. } | LinkMaker::Nobody => Err(NotOpened::Wrong),
        }
    }

    /// Keeps the bucket's credentials at hand, for as long as it is polled: a link waits for nobody.
    pub async fn keep_credentials(&self) {
        let mut failing = false;
        loop {
            let looked_up = match &*self.made_by.now() {
                LinkMaker::Bucket { presigned, .. } => presigned.look_up_credentials().await,
                LinkMaker::Gateway(_) | LinkMaker::Nobody => Ok(()),
            };
            match looked_up {
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, "links are not signed: there are no credentials");
                }
                Ok(()) if std::mem::take(&mut failing) => tracing::info!("links are signed again"),
                _ => {}
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, self.replaced.notified()).await;
        }
    }
}

impl LinkMaker {
    fn link(&self, name: &str, record: Option<Sequence>, now: Timestamp) -> Option<String> {
        match self {
            LinkMaker::Nobody => None,
            LinkMaker::Gateway(own) => Some(own.link(name, record, now)),
            LinkMaker::Bucket {
                presigned,
                open_for,
            } => presigned.link(name, *open_for),
        }
    }
}

impl Own {
    fn link(&self, name: &str, record: Option<Sequence>, now: Timestamp) -> String {
        let mut link = String::with_capacity(self.base.len() + name.len() + LONGEST_QUERY);
        link.push_str(&self.base);
        link.push_str(name);
        self.signer
            .sign(&mut link, name, now.plus(self.open_for), record);
        link
    }
}

/// `?until=`, `&record=` and `&signature=` with what they say.
const LONGEST_QUERY: usize = 7 + 12 + 8 + 20 + 11 + 43;
