//! Why a run could not begin or was broken off.

use std::path::PathBuf;

use boxbridge_connect::tls::TlsError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot find {host}")]
    Resolve {
        host: String,
        source: std::io::Error,
    },
    #[error("{host} is no name that a certificate can be for")]
    Name { host: String },
    #[error("cannot speak TLS")]
    Tls(#[from] TlsError),
    #[error("cannot write the ledger {path}")]
    Ledger {
        path: PathBuf,
        source: std::io::Error,
    },
}
