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
    // An alert comes from the other side, and is about what we have shown.
    match error.split_once("alert") {
        Some((_, alert)) => of_ours(alert, section),
        None => of_theirs(error, section),
    }
}

fn of_ours(alert: &str, section: &str) -> String {
    if says(alert, &WANTED) {
        return format!(" (the other side may want {section}.cert_file and key_file)");
    }
    if says(alert, &OVER) {
        return format!(
            " (the certificate of {section}.cert_file has expired, says the other side)"
        );
    }
    if says(alert, &NOT_TAKEN) {
        return format!(
            " (the other side wants a certificate of an authority that it knows: {section}.cert_file and key_file)"
        );
    }
    String::new()
}

fn of_theirs(error: &str, section: &str) -> String {
    if says(error, &OTHER_NAME) {
        return format!(" (the certificate over there is for another name than [{section}] gives)");
    }
    if says(error, &EXPIRED) {
        return format!(
            " (the certificate over there, of [{section}], has expired, or a clock is wrong)"
        );
    }
    if says(error, &UNKNOWN_AUTHORITY) {
        // By OpenSSL's words it may be one of the other two.
        let or = match says(error, &["certificate verify failed"]) {
            true => format!(", or that is for another name than [{section}] gives, or has expired"),
            false => String::new(),
        };
        return format!(
            " ({section}.ca_file does not hold the authority that signed the certificate over there{or})"
        );
    }
    String::new()
}

fn says(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
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

/// Alerts, as rustls and OpenSSL call them.
const WANTED: [&str; 4] = [
    "CertificateRequired",
    "certificate required",
    "HandshakeFailure",
    "handshake failure",
];
const OVER: [&str; 2] = ["CertificateExpired", "certificate expired"];
/// No certificate at all counts as a bad one in TLS 1.2.
const NOT_TAKEN: [&str; 10] = [
    "UnknownCA",
    "unknown ca",
    "BadCertificate",
    "bad certificate",
    "CertificateUnknown",
    "certificate unknown",
    "CertificateRevoked",
    "certificate revoked",
    "UnsupportedCertificate",
    "unsupported certificate",
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

#[cfg(test)]
mod tests {
    use super::remedy;

    fn check(error: &str, expected: &str) {
        let remedy = remedy(error, "send.mqtt");
        assert!(remedy.contains(expected), "{error}: {remedy}");
    }

    #[test]
    fn an_alert_is_about_our_certificate_and_a_refusal_of_ours_about_theirs() {
        check("invalid peer certificate: Expired", "over there");
        check(
            "received fatal alert: CertificateExpired",
            "of send.mqtt.cert_file has expired",
        );
        check(
            "error:0A000415:SSL routines::sslv3 alert certificate expired:SSL alert number 45",
            "of send.mqtt.cert_file has expired",
        );
        check(
            "error:0A000418:SSL routines::tlsv1 alert unknown ca",
            "an authority that it knows: send.mqtt.cert_file",
        );
        check(
            "error:0A00045C:SSL routines::tlsv13 alert certificate required",
            "may want send.mqtt.cert_file",
        );
        check(
            "error:0A000086:SSL routines::certificate verify failed",
            "send.mqtt.ca_file does not hold",
        );
        assert_eq!(remedy("connection refused", "send.mqtt"), "");
    }
}
