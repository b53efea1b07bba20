//! PEM files → what a listener of ours shows, and what it trusts of those who connect.
//!
//! TLS 1.2 and 1.3, with the ciphers that rustls calls safe. Promises: a certificate that does not go with its key is an error, and never shown.
//! A client may show no certificate: the listener says in words what that means. Deliberately negotiates no protocol: there is
//! one on each port.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::files::{TlsError, authorities, certificates, private_key};
use boxbridge_config::{Current, ListenerTls};

/// How a listener encrypts, as of now: each connection goes by what holds when it comes. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Encryption(Arc<Current<Option<Arc<ServerTls>>>>);

/// Made of a listener's files.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// `None`: nobody is asked for a certificate.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Encryption {
    /// `None`: it speaks no TLS.
    pub fn now(&self) -> Option<Arc<ServerConfig>> {
        let tls = self.0.now();
        tls.as_ref().as_ref().map(|tls| Arc::clone(&tls.config))
    }

    pub fn replace(&self, tls: Option<Arc<ServerTls>>) {
        self.0.replace(tls);
    }

    /// Whether a client that shows this, its own certificate first, would be let in now.
    pub fn trusts(&self, shown: &[CertificateDer<'_>]) -> bool {
        let tls = self.0.now();
        let clients = tls.as_ref().as_ref().and_then(|tls| tls.clients.as_ref());
        let (Some(clients), Some((own, others))) = (clients, shown.split_first()) else {
            return false;
        };
        let verified = clients.verify_client_cert(own, others, UnixTime::now());
        verified.is_ok()
    }
}

/// How a listener encrypts, made from these files.
pub fn server_tls(tls: &ListenerTls) -> Result<Arc<ServerTls>, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?;
    let file = tls.client_ca_file.as_deref();
    let clients = file.map(|file| verifier(file, provider)).transpose()?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(Arc::clone(clients)),
        None => builder.with_no_client_auth(),
    };

    let (shown, key) = (certificates(&tls.cert_file)?, private_key(&tls.key_file)?);
    let mut config = builder
        .with_single_cert(shown, key)
        .map_err(|source| TlsError::identity(&tls.cert_file, source))?;
    // A box that connects for each event goes on where it was. What a ticket says ends with these settings: their key is here alone.
    config.ticketer = Ticketer::new().map_err(TlsError::Provider)?;
    // By 1.3 they would come behind the handshake. A box that hangs up after its last byte, without having read them, resets the connection,
    // and the kernel throws its event away.
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    Ok(Arc::new(ServerTls { config, clients }))
}

fn verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let trusted = Arc::new(authorities(file)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(trusted, provider);
    let verifier = verifier.allow_unauthenticated().build();
    verifier.map_err(|source| TlsError::Verifier {
        path: file.to_owned(),
        source,
    })
}
