//! The PEM files that settings name: they are there, and they are what they are named for.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::reader::Reader;

/// PEM files; all `None` = the system's authorities and no certificate of our own.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    pub ca_file: Option<PathBuf>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

pub(crate) fn read(read: &mut Reader, section: &str) -> Tls {
    let key = |name: &str| format!("{section}.{name}");
    let tls = Tls {
        ca_file: read.live().file(&key("ca_file")),
        cert_file: read.live().file(&key("cert_file")),
        key_file: read.live().file(&key("key_file")),
    };

    if tls.cert_file.is_some() != tls.key_file.is_some() {
        read.problem(&key("cert_file"), "goes with key_file: both or neither");
    }

    for (name, file) in [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file)] {
        file.iter()
            .for_each(|file| certificates(read, &key(name), file));
    }

    if let Some(file) = &tls.key_file
        && let Some(text) = text(read, &key("key_file"), file)
        && PrivateKeyDer::from_pem_slice(&text).is_err()
    {
        read.problem(
            &key("key_file"),
            "holds no private key in PEM that is not encrypted (-----BEGIN PRIVATE KEY-----)",
        );
    }
    tls
}

/// Checks that a file holds at least one certificate, and that all of them can be read.
pub(crate) fn certificates(read: &mut Reader, key: &str, file: &Path) {
    let Some(text) = text(read, key, file) else {
        return;
    };
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    if certificates.is_ok_and(|certificates| !certificates.is_empty()) {
        return;
    }

    let hint = match text.starts_with(&[0x30]) {
        true => "; it looks like DER, which `openssl x509 -inform der` turns into PEM",
        false => "",
    };
    read.problem(
        key,
        format!("holds no certificate in PEM (-----BEGIN CERTIFICATE-----){hint}"),
    );
}

fn text(read: &mut Reader, key: &str, file: &Path) -> Option<Vec<u8>> {
    match std::fs::read(file) {
        Ok(text) => Some(text),
        Err(error) => {
            read.problem(key, format!("cannot read it: {error}"));
            None
        }
    }
}
