//! Files in PEM that settings name: certificates, and the key to one.
//!
//! Promises: a file that is named is there, and it is what it is named for. Deliberately does not ask whether a key belongs to its certificate: who
//! uses them finds that out, with the cryptography that this crate does not have.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Reader;
use crate::values::certificate::Certificate;
use crate::values::listener_tls::ListenerTls;

impl Reader<'_> {
    /// A file of certificates. Each of them can be read.
    pub fn certificates(&mut self, key: &str) -> Option<PathBuf> {
        let file = self.file(key)?;
        let _ = self.certificates_in(key, &file);
        Some(file)
    }

    /// A file with a private key.
    pub fn private_key(&mut self, key: &str) -> Option<PathBuf> {
        let file = self.file(key)?;
        if let Some(text) = self.bytes_of(key, &file)
            && PrivateKeyDer::from_pem_slice(&text).is_err()
        {
            self.problem(
                key,
                "holds no private key in PEM that is not encrypted (-----BEGIN PRIVATE KEY-----)",
            );
        }
        Some(file)
    }

    /// `tls_cert_file` and `tls_key_file` of a listener, which a reload takes; `None` where both are empty.
    pub fn listener_tls(&mut self, section: &str) -> Option<ListenerTls> {
        let [cert_key, key_key] =
            ["tls_cert_file", "tls_key_file"].map(|name| format!("{section}.{name}"));
        let cert_file = self.live().file(&cert_key);
        let key_file = self.live().private_key(&key_key);
        if cert_file.is_some() != key_file.is_some() {
            self.problem(&cert_key, format!("goes with {key_key}: both or neither"));
        }

        let cert_file = cert_file?;
        let expires = self.shown_certificate(&cert_key, &cert_file)?.expires;
        Some(ListenerTls {
            cert_file,
            key_file: key_file?,
            client_ca_file: None,
            expires,
        })
    }

    /// The first of a file is the one that is shown, the others lead to its authority.
    fn shown_certificate(&mut self, key: &str, file: &Path) -> Option<Certificate> {
        let certificates = self.certificates_in(key, file)?;
        let certificate = certificates
            .first()
            .and_then(|first| Certificate::of(first));
        if certificate.is_none() {
            self.problem(key, "its first certificate is none that X.509 knows");
        }
        certificate
    }

    fn certificates_in(&mut self, key: &str, file: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let text = self.bytes_of(key, file)?;
        let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        if let Ok(found) = found
            && !found.is_empty()
        {
            return Some(found);
        }

        let hint = match text.starts_with(&[0x30]) {
            true => "; it looks like DER, which `openssl x509 -inform der` turns into PEM",
            false => "",
        };
        self.problem(
            key,
            format!("holds no certificate in PEM (-----BEGIN CERTIFICATE-----){hint}"),
        );
        None
    }

    fn bytes_of(&mut self, key: &str, file: &Path) -> Option<Vec<u8>> {
        match std::fs::read(file) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(key, format!("cannot read it: {error}"));
                None
            }
        }
    }
}
