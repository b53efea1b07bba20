//! PEM files → certificates, keys and authorities in rustls' terms.
//!
//! Promises: an error names the file.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path} as PEM: {source}", path = path.display())]
    File { path: PathBuf, source: pem::Error },
    #[error("{path} holds no certificate", path = path.display())]
    NoCertificate { path: PathBuf },
    #[error("{path} holds a certificate that cannot be trusted: {source}", path = path.display())]
    Authority {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("the system has no certificate authorities: install ca-certificates or name a ca_file")]
    NoAuthorities,
    #[error("{path} does not go with its key: {source}", path = path.display())]
    Identity {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("nobody can be verified by {path}: {source}", path = path.display())]
    Verifier {
        path: PathBuf,
        source: rustls::server::VerifierBuilderError,
    },
    #[error("TLS cannot be spoken: {0}")]
    Provider(rustls::Error),
}

impl TlsError {
    /// A certificate that cannot be shown.
    pub(super) fn identity(certificate: &Path, source: rustls::Error) -> TlsError {
        TlsError::Identity {
            path: certificate.to_owned(),
            source,
        }
    }
}

pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let odd = |source| TlsError::Authority {
        path: path.to_owned(),
        source,
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(odd)?;
    }
    Ok(store)
}

pub(super) fn systems_authorities() -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    // One odd certificate in the system's store is no reason to trust none of them.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match store.is_empty() {
        true => Err(TlsError::NoAuthorities),
        false => Ok(store),
    }
}

/// One at least.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| unreadable(path, source);
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;

    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(certificates),
    }
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: pem::Error) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        source,
    }
}
