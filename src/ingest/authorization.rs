//! Who sent a request, and whether they may send events.
//!
//! Promises: an address goes by the connection, or by what a trusted proxy says of it; nobody else is believed. An event is taken only from
//! the networks of the settings, and where they ask for a certificate only with one. Deliberately reads no body: who may not send costs us no
//! more than a head.

use std::net::IpAddr;

use hyper::HeaderMap;

use super::Accept;
use super::port::Greeting;
use super::service::{Peer, Service};
use boxbridge_event::{BoxPass, Code, Refusal};

mod certificate;
mod forwarded;

pub(super) use certificate::pass as pass_of_certificate;

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub address: IpAddr,
    /// Why nobody knows who is behind `address`, which is a trusted proxy.
    pub hidden: Option<Hidden>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// The proxy did not write the header.
    Missing,
    Unreadable,
}

impl Hidden {
    const fn as_str(self) -> &'static str {
        match self {
            Hidden::Missing => "missing",
            Hidden::Unreadable => "unreadable",
        }
    }
}

impl<A: Accept> Service<A> {
    pub(super) fn sender(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        settings: &boxbridge_config::Ingest,
    ) -> Sender {
        let (by, trusted) = (settings.forwarded_by, &settings.trusted_proxies);
        match peer.is_proxy {
            true => forwarded::sender(peer.address, headers, by, trusted),
            false => Sender {
                address: peer.address,
                hidden: None,
            },
        }
    }

    /// What lets `sender`, which came from `peer`, send events.
    pub(super) fn admit(
        &self,
        peer: &Peer,
        sender: Sender,
        settings: &boxbridge_config::Ingest,
    ) -> Result<BoxPass, Refusal> {
        self.admit_address(peer, sender, settings)?;
        match &peer.pass {
            Some(of_connection) => Ok(of_connection.clone()),
            None if peer.greeting == Greeting::Tls && settings.asks_for_certificates => {
                let message = "a certificate of ingest.tls_client_ca_file lets a box in, and this connection shows none";
                Err(Refusal::new(Code::CertificateMissing, message))
            }
            None => Ok(BoxPass::default()),
        }
    }

    fn admit_address(
        &self,
        peer: &Peer,
        sender: Sender,
        settings: &boxbridge_config::Ingest,
    ) -> Result<(), Refusal> {
        if let Some(hidden) = sender.hidden {
            let why = hidden.as_str();
            self.silent_proxy.call_once(|| {
                tracing::warn!(proxy = %peer.address, why, "a proxy does not say who is behind it (ingest.forwarded_by): all of them share its own address's limits; this is said once");
            });
        }

        let (address, allowed) = (sender.address, &settings.allowed_networks);
        if allowed.is_empty() || allowed.contains(address) {
            return Ok(());
        }
        let message = format!("{address} is in none of the networks that boxes may send from");
        Err(Refusal::new(Code::SourceForbidden, message))
    }
}
