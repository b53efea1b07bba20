//! PEM files → what a TLS client of ours trusts and shows: an own authority or the system's, a certificate of its own or none.
//!
//! Promises: the files are read anew with every call, so that a rotated certificate is taken up by the next connection. Deliberately offers no
//! way to skip the verification of the other side.

use std::sync::Arc;

use rustls::ClientConfig;

use super::files::{TlsError, authorities, certificates, private_key, systems_authorities};
use boxbridge_config as config;

/// Names the setting to look at when a connection failed over certificates, by the words of rustls or OpenSSL; empty for other errors.
pub fn remedy(error: &str, section: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));

    if says(&OTHER_NAME) {
        return format!(" (the certificate over there is for another name than [{section}] gives)");
    }
    if says(&EXPIRED) {
        return format!(
            " (the certificate over there, of [{section}], has expired, or a clock is wrong)"
        );
    }
    if says(&UNKNOWN_AUTHORITY) {
        // By OpenSSL's words it may be one of the other two.
        let or = match says(&["certificate verify failed"]) {
            true => format!(", or that is for another name than [{section}] gives, or has expired"),
            false => String::new(),
        };
        return format!(
            " ({section}.ca_file does not hold the authority that signed the certificate over there{or})"
        );
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
const EXPIRED: [&str; 4] = [
    "Expired",
    "certificate expired",
    "NotValidYet",
    "not valid yet",
];
const CERTIFICATE_WANTED: [&str; 4] = [
    "CertificateRequired",
    "certificate required",
    "HandshakeFailure",
    "handshake failure",
];

/// A client's settings, made from these files.
pub fn client_config(tls: &config::Tls) -> Result<Arc<ClientConfig>, TlsError> {
    let trusted = match &tls.ca_file {
        Some(file) => authorities(file)?,
        None => systems_authorities()?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(trusted);

    let config = match (&tls.cert_file, &tls.key_file) {
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
            .map_err(|source| TlsError::identity(certificate, source))?,
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}
