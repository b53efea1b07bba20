//! What a client of ours shows and trusts: PEM files that settings of a destination name.

use std::path::PathBuf;

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
        ca_file: read.live().certificates(&key("ca_file")),
        cert_file: read.live().certificates(&key("cert_file")),
        key_file: read.live().private_key(&key("key_file")),
    };

    if tls.cert_file.is_some() != tls.key_file.is_some() {
        read.problem(&key("cert_file"), "goes with key_file: both or neither");
    }
    tls
}
