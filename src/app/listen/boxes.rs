//! The boxes' ports: in the clear, and over TLS. The service manager may have held them.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{cannot_listen, serve};
use crate::app::service_manager::Held;
use crate::app::tasks::Tasks;
use crate::ingest::{Listener, Port};
use boxbridge_config::{BoxPort, Ingest};
use boxbridge_connect::tls::Encryption;

/// Ports that do not answer yet.
pub struct BoxListeners(Vec<(BoxPort, Listener)>);

/// Where they are; one of them at least.
#[derive(Clone, Copy, Debug)]
pub struct BoxAddresses {
    pub plain: Option<SocketAddr>,
    pub tls: Option<SocketAddr>,
}

/// By which names the service manager holds them.
const HELD_AS: [(&str, &str); 2] = [
    ("ingest.listen", "ingest"),
    ("ingest.tls_listen", "ingest-tls"),
];

impl BoxListeners {
    pub async fn bind(
        ingest: &Ingest,
        encryption: &Encryption,
        mut held: Held,
    ) -> anyhow::Result<BoxListeners> {
        let addresses: Vec<_> = ingest.ports().map(|port| port.address).collect();
        held.keep(&addresses);

        let mut listeners = Vec::new();
        for (key, name) in HELD_AS {
            let Some(port) = ingest.ports().find(|port| port.key == key) else {
                held.give_up(name);
                continue;
            };

            let listener = held.listener(name, port.address).await;
            let listener = listener.map_err(|error| cannot_listen(key, port.address, error))?;
            let listener = match port.is_encrypted() {
                true => listener.encrypted(encryption.clone()),
                false => listener,
            };
            listeners.push((port, listener));
        }
        Ok(BoxListeners(listeners))
    }

    pub fn addresses(&self) -> std::io::Result<BoxAddresses> {
        let address = |encrypted: bool| {
            let mut listeners = self.0.iter();
            let found = listeners.find(|(port, _)| port.is_encrypted() == encrypted);
            found.map(|(_, listener)| listener.local_addr()).transpose()
        };
        Ok(BoxAddresses {
            plain: address(false)?,
            tls: address(true)?,
        })
    }

    /// Boxes are answered from now on.
    pub fn open<P: Port>(self, service: &Arc<P>, tasks: &Tasks) {
        for (port, listener) in self.0 {
            serve(port.key, listener, Arc::clone(service), tasks);
        }
    }
}
