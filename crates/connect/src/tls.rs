//! PEM files → what a TLS client of ours trusts and shows: an own authority or the system's, a certificate of its own or none.
//!
//! Promises: an error names the file. The files are read anew with every call, so that a rotated certificate is taken up by the next
//! connection. Deliberately offers no way to skip the verification of the other side.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use boxbridge_config as config;

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
    #[error("no TLS version can be offered: {0}")]
    Provider(rustls::Error),
}

/// Names the setting to look at when a connection failed over certificates, by the words of rustls or OpenSSL; empty for other errors.
pub fn remedy(error: &str, section: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));

    if says(&UNKNOWN_AUTHORITY) {
        return format!(
            " ({section}.ca_file does not hold the authority that signed the certificate over there)"
        );
    }
    if says(&OTHER_NAME) {
        return format!(" (the certificate over there is for another name than [{section}] gives)");
    }
    if says(&CERTIFICATE_WANTED) {
        return format!(" (the other side may want {section}.cert_file and key_file)");
    }
    String::new()
}

/// What rustls and OpenSSL say of an authority that they do not know.
const UNKNOWN_AUTHORITY: [&str; 6] = [
    "UnknownIssuer",
    "BadSignature",
    "certificate verify failed",
    "could not be verified",
    "self-signed certificate",
    "self signed certificate",
];
const OTHER_NAME: [&str; 3] = ["NotValidForName", "not valid for name", "hostname mismatch"];
const CERTIFICATE_WANTED: [&str; 4] = [
    "CertificateRequired",
    "certificate required",
    "HandshakeFailure",
    "handshake failure",
];

/// A client's settings, made from these files.
pub fn client_config(tls: &config::Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(authorities(tls.ca_file.as_deref())?);

    let config = match (&tls.cert_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            let unreadable = |source| TlsError::File {
                path: key.clone(),
                source,
            };
            let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
            let unfit = |source| TlsError::Identity {
                path: certificate.clone(),
                source,
            };
            builder
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(unfit)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            let odd = |source| TlsError::Authority {
                path: path.to_owned(),
                source,
            };
            for certificate in certificates(path)? {
                store.add(certificate).map_err(odd)?;
            }
        }
        None => {
            // One odd certificate in the system's store is no reason to trust none of them.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }

    match store.is_empty() {
        true => Err(TlsError::NoAuthorities),
        false => Ok(store),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let certificates: Vec<_> = found.collect::<Result<_, _>>().map_err(unreadable)?;

    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(certificates),
    }
}
