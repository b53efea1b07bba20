//! Who sent a request, and whether they may send: the one place that decides it.
//!
//! Promises: an address goes by the connection, or by what a trusted proxy says of it; nobody else is believed. A request is let in from the
//! networks of the settings alone; where there are tokens, only with one of them, or over a connection that proved itself. Deliberately reads
//! no body: who may not send costs us no more than a head.

use std::net::IpAddr;

use axum::http::request::Parts;
use hyper::HeaderMap;

use super::Accept;
use super::port::Greeting;
use super::service::{Peer, Service};
use boxbridge_config::Ingest;
use boxbridge_event::{BoxPass, Code, Refusal};

mod certificate;
mod forwarded;
mod tokens;

pub(super) use tokens::is_shown as is_token_shown;

pub(super) use certificate::Proof;

/// The sender of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sender {
    address: IpAddr,
    /// Why nobody knows who is behind `address`, which is a trusted proxy.
    hidden: Option<Hidden>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
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
    /// The address that sent a request.
    pub(super) fn sender(&self, peer: &Peer, headers: &HeaderMap, settings: &Ingest) -> IpAddr {
        if !peer.is_proxy {
            return peer.address;
        }
        let (by, trusted) = (settings.forwarded_by, &settings.trusted_proxies);
        let sender = forwarded::sender(peer.address, headers, by, trusted);

        if let Some(hidden) = sender.hidden {
            let why = hidden.as_str();
            self.silent_proxy.call_once(|| {
                tracing::warn!(proxy = %peer.address, why, "a proxy does not say who is behind it (ingest.forwarded_by): all of them share its own address's limits; this is said once");
            });
        }
        sender.address
    }
}

/// What a request from `sender` is let in with.
pub(super) fn admit(
    peer: &Peer,
    parts: &Parts,
    sender: IpAddr,
    settings: &Ingest,
) -> Result<BoxPass, Refusal> {
    let allowed = &settings.allowed_networks;
    if !allowed.is_empty() && !allowed.contains(sender) {
        let message = format!("{sender} is in none of the networks that boxes may send from");
        return Err(Refusal::new(Code::SourceForbidden, message));
    }

    let of_connection = peer.proof.as_ref().and_then(Proof::pass);
    match (of_connection, &settings.tokens) {
        (Some(of_connection), _) => Ok(of_connection),
        (None, Some(tokens)) => tokens::pass(tokens, parts, sender),
        (None, None) if peer.greeting == Greeting::Tls && settings.asks_for_certificates => {
            let message = "a certificate of ingest.tls_client_ca_file lets a box in, and this connection shows none that holds";
            Err(Refusal::new(Code::CertificateMissing, message))
        }
        (None, None) => Ok(BoxPass::default()),
    }
}
