//! The links' listener: bound where the settings want one, and who makes the links that it opens.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use super::{cannot_listen, serve};
use crate::admin::Notes;
use crate::app::tasks::Tasks;
use crate::ingest::Listener;
use crate::links::album::Album;
use crate::links::{LinkMaker, Links, LinksPort};
use boxbridge_config::Config;

const KEY: &str = "send.store.links.listen";

/// A port that does not answer yet.
pub struct LinksListener {
    listener: Option<Listener>,
    /// Where it is; `None` where there is none.
    pub address: Option<SocketAddr>,
}

impl LinksListener {
    pub fn bind(config: &Config) -> anyhow::Result<LinksListener> {
        let links = config.send.store().links.as_ref();
        let Some(address) = links.and_then(|links| links.served_at()) else {
            let (listener, address) = (None, None);
            return Ok(LinksListener { listener, address });
        };

        let listener = Listener::bind(address);
        let listener = listener.map_err(|error| cannot_listen(KEY, address, error))?;
        Ok(LinksListener {
            address: Some(listener.local_addr()?),
            listener: Some(listener),
        })
    }

    /// Opens links from now on.
    pub fn open(self, links: &Arc<Links>, album: &Arc<Album>, connections: usize, tasks: &Tasks) {
        if let Some(listener) = self.listener {
            let port = LinksPort::new(Arc::clone(links), Arc::clone(album), connections);
            serve(KEY, listener, port, tasks);
        }

        let (links, stop) = (Arc::clone(links), tasks.stop.clone());
        tasks.keep("links", move || {
            let (links, stop) = (Arc::clone(&links), stop.clone());
            async move {
                stop.run_until_cancelled(links.keep_credentials())
                    .await
                    .unwrap_or_default()
            }
        });
    }
}

/// What `/readyz` notes of these settings.
pub fn notes(config: &Arc<Config>, address: Option<SocketAddr>) -> Notes {
    let place = config.send.store().links_place(address);
    Notes {
        lasting: config.warnings.iter().cloned().chain(place).collect(),
        config: Arc::clone(config),
    }
}

/// Who makes links by these settings, where our listener is at `address`.
pub fn maker(
    config: &Config,
    secret: &[u8],
    address: Option<SocketAddr>,
) -> anyhow::Result<LinkMaker> {
    let store = config.send.store();
    let base = store.links.as_ref().and_then(|links| links.base(address));
    LinkMaker::of(store, secret, base).context("links to pictures cannot be signed")
}
