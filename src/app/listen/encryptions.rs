//! How our listeners encrypt: by files that are read at the start, and again whenever they change.
//!
//! Promises: what cannot be shown is shown by none of them. A connection goes on encrypted as it began; whether a certificate that it showed
//! still lets it in is asked anew (`ingest::authorization`).

use std::sync::Arc;

use anyhow::Context;

use crate::metrics;
use boxbridge_config::Config;
use boxbridge_connect::tls::{Encryption, ServerTls, server_tls};

/// Of each listener that can speak TLS.
#[derive(Clone, Default)]
pub struct Encryptions {
    pub boxes: Encryption,
    pub admin: Encryption,
    pub embedded: Encryption,
}

/// What the files of these settings make, by section.
pub struct MadeEncryptions(Vec<(&'static str, Arc<ServerTls>)>);

impl Encryptions {
    pub fn of(config: &Config) -> anyhow::Result<Encryptions> {
        let encryptions = Encryptions::default();
        encryptions.adopt(config, &MadeEncryptions::of(config)?);
        Ok(encryptions)
    }

    /// Holds for every connection that comes from now on.
    pub fn adopt(&self, config: &Config, made: &MadeEncryptions) {
        let all = [
            ("ingest", &self.boxes),
            ("admin", &self.admin),
            ("send.mqtt.embedded", &self.embedded),
        ];
        for (section, encryption) in all {
            let had_one = encryption.now().is_some();
            encryption.replace(made.of_section(section));

            let mut encrypted = config.encrypted();
            let expires = encrypted
                .find(|(of, _)| *of == section)
                .map(|(_, tls)| tls.expires);
            if had_one || expires.is_some() {
                let listener = section.rsplit('.').next().unwrap_or(section);
                metrics::certificate(listener, expires);
            }
        }
    }
}

impl MadeEncryptions {
    pub fn of(config: &Config) -> anyhow::Result<MadeEncryptions> {
        let made = config.encrypted().map(|(section, tls)| {
            let made = server_tls(tls).with_context(|| format!("{section}.tls_cert_file"))?;
            Ok((section, made))
        });
        made.collect::<anyhow::Result<_>>().map(MadeEncryptions)
    }

    fn of_section(&self, section: &str) -> Option<Arc<ServerTls>> {
        let mut made = self.0.iter();
        let found = made.find(|(of, _)| *of == section);
        found.map(|(_, made)| Arc::clone(made))
    }
}
