//! What a box's certificate lets it in with. TLS has verified it when the connection came.
//!
//! Promises: a subject that names nothing of ours binds nothing: its owner is let in all the same. Once the authorities are others, a connection that
//! is still open has to pass by them.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use boxbridge_config::{Certificate, is_site};
use boxbridge_connect::tls::Encryption;
use boxbridge_event::{Authenticated, BoxPass};

/// The certificates of one connection.
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
    pass: BoxPass,
    encryption: Encryption,
    /// The settings by which they were verified last.
    verified_by: Mutex<Arc<ServerConfig>>,
}

impl Shown {
    /// `None` where there is none. They were verified by `tls`.
    pub fn of(
        chain: Option<&[CertificateDer<'static>]>,
        encryption: &Encryption,
        tls: Option<Arc<ServerConfig>>,
    ) -> Option<Shown> {
        let (chain, tls) = (chain?, tls?);
        Some(Shown {
            pass: pass(chain.first()?),
            chain: chain.to_vec(),
            encryption: encryption.clone(),
            verified_by: Mutex::new(tls),
        })
    }

    /// `None` once the authorities are others, and none of them has signed it.
    pub fn pass(&self) -> Option<&BoxPass> {
        let now = self.encryption.now()?;
        let mut verified_by = self.verified_by.lock();
        if !Arc::ptr_eq(&verified_by, &now) {
            if !self.encryption.trusts(&self.chain) {
                return None;
            }
            *verified_by = now;
        }
        Some(&self.pass)
    }
}

/// Its unit is the site of the box. Its name is a device if it is an address, as devices have; else it is a name for people.
fn pass(certificate: &[u8]) -> BoxPass {
    let subject = Certificate::of(certificate);
    let (name, unit) = subject.map_or((None, None), |it| (it.name, it.unit));
    let number = Sha256::digest(certificate).first_chunk().copied();

    BoxPass {
        authenticated: Authenticated::Certificate,
        site: unit.filter(|unit| is_site(unit)),
        device: name.filter(|name| name.parse::<IpAddr>().is_ok()),
        number: number.map(u64::from_be_bytes),
    }
}
