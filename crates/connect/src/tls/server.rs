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
pub struct Encryption(Arc<Current<Option<ServerTls>>>);

/// What a listener shows, and whom it trusts.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub config: Arc<ServerConfig>,
    /// `None` = nobody is asked for a certificate.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Encryption {
    /// `None`: it speaks no TLS.
    pub fn now(&self) -> Option<Arc<ServerConfig>> {
        let now = self.0.now();
        let tls = (*now).as_ref()?;
        Some(Arc::clone(&tls.config))
    }

    pub fn replace(&self, tls: Option<ServerTls>) {
        self.0.replace(tls);
    }

    /// Whether these certificates, the owner's first, would let somebody in who came now.
    pub fn trusts(&self, shown: &[CertificateDer<'_>]) -> bool {
        let now = self.0.now();
        let verifier = (*now).as_ref().and_then(|tls| tls.verifier.as_ref());
        let (Some(verifier), Some((owner, others))) = (verifier, shown.split_first()) else {
            return false;
        };
        let verified = verifier.verify_client_cert(owner, others, UnixTime::now());
        verified.is_ok()
    }
}

/// A listener's settings, made from these files.
pub fn server_tls(tls: &ListenerTls) -> Result<ServerTls, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?;
    let verifier = tls.client_ca_file.as_ref();
    let verifier = verifier
        .map(|file| verifier_of(file, provider))
        .transpose()?;
    let builder = match &verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
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
    Ok(ServerTls { config, verifier })
}

fn verifier_of(
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
