//! What a box's certificate lets it in with. TLS has verified it by then.
//!
//! Promises: a subject that names nothing of ours binds nothing: its owner is let in all the same. A certificate whose time is over, or whose
//! authority is trusted no more, lets nobody in within a second, also over a connection that it opened.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use boxbridge_config::{Certificate, is_site};
use boxbridge_connect::tls::Encryption;
use boxbridge_event::{Authenticated, BoxPass};

/// A look costs as much as the rest of a small request.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What one connection has shown. Clones are the same.
#[derive(Clone)]
pub struct Proof(Arc<Shown>);

struct Shown {
    pass: BoxPass,
    /// Its own, and those that lead to the authority.
    certificates: Vec<CertificateDer<'static>>,
    encryption: Encryption,
    /// It held then.
    looked: Mutex<Instant>,
}

impl Proof {
    /// Of a handshake that is just over.
    pub fn of(shown: &[CertificateDer<'static>], encryption: Encryption) -> Option<Proof> {
        Some(Proof(Arc::new(Shown {
            pass: pass(shown.first()?),
            certificates: shown.to_vec(),
            encryption,
            looked: Mutex::new(Instant::now()),
        })))
    }

    /// What it lets its owner in with, as long as it holds.
    pub fn pass(&self) -> Option<BoxPass> {
        let Shown {
            pass,
            certificates,
            encryption,
            looked,
        } = &*self.0;
        let mut looked = looked.lock();
        if looked.elapsed() >= LOOK_EVERY {
            if !encryption.trusts(certificates) {
                return None;
            }
            *looked = Instant::now();
        }
        Some(pass.clone())
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
